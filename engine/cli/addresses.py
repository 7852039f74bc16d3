"""Find the resources that the command line names, by their addresses."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from engine.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.resource import Resource


def find_addresses(
    resources: Sequence[Resource], patterns: Sequence[str], prefix: str = ""
) -> set[str]:
    """Return the addresses that match patterns.

    Args:
        resources: The declared resources.
        patterns: Addresses, with shell wildcards.
        prefix: The option that precedes each of them, with a space, for messages.

    Returns:
        The addresses.

    Raises:
        UsageError: A pattern matches no resource.

    """
    addresses = [resource.address for resource in resources]
    selected: set[str] = set()
    for pattern in patterns:
        matching = {
            address for address in addresses if address == pattern or fnmatchcase(address, pattern)
        }
        if not matching:
            raise _error(pattern, addresses, prefix)
        selected |= matching
    return selected


def _error(pattern: str, addresses: Sequence[str], prefix: str) -> UsageError:
    """Return the error for a pattern that matches nothing.

    Args:
        pattern: The pattern.
        addresses: All addresses.
        prefix: The option before it.

    Returns:
        The error, with the most similar address.

    """
    from engine.declaration.validate import suggest

    same_name = [address for address in addresses if address.partition(".")[2] == pattern]
    if same_name:
        return UsageError(
            f"`{prefix}{pattern}` isn't an address", hint=f"use `{prefix}{same_name[0]}`"
        )
    declared = f"declared resources: {', '.join(addresses) or 'none'}"
    return UsageError(
        f"`{prefix}{pattern}` matches no resource", hint=suggest(pattern, addresses) or declared
    )
