"""From a package that failed to the declared requirements that cause its installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_MAX_CHAINS = 5


def find_chains(
    name: str, requirers: Mapping[str, Collection[str]], declared: Collection[str]
) -> list[list[str]]:
    """Return the shortest chain of requirements from each declared package to another one.

    Args:
        name: The normalized name of the package.
        requirers: The packages that require each package.
        declared: The names of the declared packages.

    Returns:
        The chains, the shortest first. Each begins with a declared package. If none is declared,
        the only chain begins where the knowledge ends, if it has more than one package.

    """
    chains: list[list[str]] = []
    waiting, seen = [[name]], {name}
    longest = [name]
    while waiting and len(chains) < _MAX_CHAINS:
        chain = longest = waiting.pop(0)
        if chain[0] in declared:
            chains.append(chain)
            continue
        for parent in sorted(set(requirers.get(chain[0], ())) - seen):
            seen.add(parent)
            waiting.append([parent, *chain])
    return chains or ([longest] if len(longest) > 1 else [])
