"""A word of the command line: how it is called and what it does."""

from __future__ import annotations

from engine.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable
    from typing import TypeAlias

    from engine.registry import KindRegistry
    from engine.settings import Settings

    BuildRegistry: TypeAlias = Callable[[Settings], KindRegistry]
    """The composition root: makes the kinds for one run."""


@frozen
class Command:
    """One verb. `run` gets the parsed arguments and the composition root; returns the exit code."""

    name: str
    summary: str
    """One line for the overview."""
    options: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, BuildRegistry], int]
