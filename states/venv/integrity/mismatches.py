"""Collect the differences between installed files and RECORD files, and raise them as one error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable


class RecordMismatch(IntegrityError):
    """The installed files don't match the RECORD files.

    `packages` contains the names of the affected packages. It is empty if any package may
    be the cause.
    """

    def __init__(
        self, message: str, packages: Iterable[str], hint: str | None, output: str = ""
    ) -> None:
        super().__init__(message, hint=hint, output=output)
        names = sorted(set(packages))
        self.packages = [] if "" in names else names


_HINT = "nothing was published; if it happens again, the wheel is broken or hostile"


class Mismatches(list[tuple[str, str]]):
    """Pairs of a package name and a message. The name is empty if any package may be the cause.

    Attributes:
        tolerable: The packages whose mismatches the declaration can accept, by message.

    """

    def __init__(self) -> None:
        super().__init__()
        self.tolerable: dict[str, str] = {}

    def add(self, message: str, *packages: str, tolerable: str = "") -> None:
        """Add a mismatch.

        Args:
            message: The message.
            packages: The packages that may have caused it. None if any may be the cause.
            tolerable: The package whose mismatches the declaration would have to accept.

        """
        self.extend((package, message) for package in packages or ("",))
        if tolerable:
            self.tolerable[message] = tolerable

    def require_none(self) -> None:
        """Return if there is no mismatch.

        Raises:
            RecordMismatch: At least one mismatch was added.

        """
        messages = list(dict.fromkeys(message for _, message in self))
        if messages:
            rest = f", and {len(messages) - 1} more" if len(messages) > 1 else ""
            raise RecordMismatch(
                f"installed files don't match the lock: {messages[0]}{rest}",
                [package for package, _ in self],
                self._hint(messages),
            )

    def _hint(self, messages: list[str]) -> str:
        names = sorted(set(self.tolerable.values()))
        if not self.tolerable.keys() >= set(messages):
            return _HINT
        key = f"accept-record-mismatch = {json.dumps(names)}"
        return f"nothing was published; if you trust the wheel, set `{key}`"
