"""Names in `--upgrade-package` that no venv installs: usually a misspelling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from states.venv.integrity.dist_info import normalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from engine.result import Result

_PREFIX = "package."


def reported_packages(results: Iterable[Result]) -> Iterator[str]:
    """Yield the name of each package that a resource had before the run or has after it."""
    for result in results:
        changed = (change.attribute for change in result.changes)
        for attribute in (*(result.observed or ()), *changed):
            if attribute.startswith(_PREFIX):
                yield attribute.removeprefix(_PREFIX)


def unknown_upgrades(requested: Iterable[str], packages: Iterable[str]) -> list[str]:
    """Return a notice for each requested name that isn't one of the packages.

    Args:
        requested: The names in `--upgrade-package`, in any spelling.
        packages: The names of all packages.

    Returns:
        The notices, by name.

    """
    installed = {normalize_name(name) for name in packages}
    return [
        f"`--upgrade-package {name}`: no resource installs a package named `{name}`"
        for name in sorted(requested)
        if normalize_name(name) not in installed
    ]
