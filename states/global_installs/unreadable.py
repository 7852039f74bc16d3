"""Collect what can't be read, so that the rest is still reported."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.errors import ConvergeError, from_os_error

if TYPE_CHECKING:
    from collections.abc import Iterator


class Unreadable:
    """The paths that couldn't be read, each with the reason."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    @contextmanager
    def collect(self, path: str) -> Iterator[None]:
        """Add a path if reading it fails.

        Args:
            path: The path to report.

        """
        try:
            yield
        except OSError as error:
            self.reasons[path] = from_os_error(error).message
        except ConvergeError as error:
            self.reasons[path] = error.message
