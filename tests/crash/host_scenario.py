"""Build the scenario of a simulated host, with a check of the published path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from . import product
from .checker import Checker
from .product import NEW, OLD
from .scenario import Scenario


def host_scenario(
    name: str,
    setup: Callable[[Path], object],
    checker: Checker,
    *,
    allowed: Sequence[str] = (OLD, NEW),
    absent: bool = False,
) -> Scenario:
    """Return a scenario.

    Args:
        name: Name for test ids and for the table.
        setup: Creates the initial state on an empty host.
        checker: Checks the final state.
        allowed: Versions that may be published at any moment.
        absent: Whether the published path may be missing.
    """

    def setup_host(home: Path) -> None:
        product.create_host(home)
        setup(home)

    def published_error(home: Path) -> str | None:
        error = product.published_error(home, allowed, absent=absent)
        return error or product.untracked_error(home)

    return Scenario(
        name=name,
        setup=setup_host,
        command=checker.retry or (lambda home: product.command(home, "apply")),
        check=checker,
        published_error=published_error,
        missing_result=checker.missing_result,
        entries=product.finished_generations,
    )
