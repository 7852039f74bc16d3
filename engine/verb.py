"""A word of the command line: how it is called and what it does."""

from __future__ import annotations

from engine.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable
    from typing import TypeAlias

    from engine.loading import Composition
    from engine.settings import Settings

    Compose: TypeAlias = Callable[[Settings], Composition]
    """The composition root: makes the kinds for one run."""


@value
class Verb:
    """One verb. `run` gets the parsed arguments and the composition root; returns the exit code."""

    name: str
    summary: str
    """One line for the overview."""
    options: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, Compose], int]
