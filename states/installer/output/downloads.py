"""The downloads of uv as progress: it prints a line when a large file begins, and when it ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine import progress
from states.system import subprocesses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from states.system.subprocesses import Inherited

_BEGUN = re.compile(r"\s*Downloading (\S+) \(([\d.]+)(B|KiB|MiB|GiB)\)")
_ENDED = re.compile(r"\s*Downloaded (\S+)")
_UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Downloads:
    """The files that one call of uv downloads, as far as it has begun them."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        """The size in bytes of each file that isn't complete, by package."""
        self.total = 0

    def report(self, line: str) -> None:
        """Report a line of uv, and how much of the downloads is done.

        UV-QUIRK(0.12): uv prints no line for a file of less than a megabyte.
        """
        progress.detail(line)
        if begun := _BEGUN.fullmatch(line):
            size = int(float(begun[2]) * _UNITS[begun[3]])
            self.sizes[begun[1]] = size
            self.total += size
            progress.measure("downloading", self.total, "bytes")
        elif ended := _ENDED.fullmatch(line):
            progress.advance(self.sizes.pop(ended[1], 0))


def run_uv(
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: str,
    inherit: Inherited = subprocesses.LOCKS,
) -> subprocesses.Completed:
    """Run uv to its end, and report its downloads.

    Args:
        argv: The program and its arguments.
        env: The whole environment.
        cwd: The working directory.
        inherit: The properties that it inherits.

    Returns:
        The exit status and the output.

    Raises:
        Interrupted, InputOutputError, OSError: As for `subprocesses.run`.

    """
    with subprocesses.reporting_to(Downloads().report):
        return subprocesses.run(argv, env=env, cwd=cwd, inherit=inherit)
