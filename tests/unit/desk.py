"""The engine's command line over the toy kind, run inside this process: no kind but the toy."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import progress, stop
from engine.cli import main
from engine.loading import Composition, Text, load, read_texts
from engine.resource import Resource
from tests.support.command import Ended, ended
from tests.unit.toy import composition

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Desk:
    """A folder with declarations and notes, and the command to hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.composition: Callable[[], Composition] = composition
        """Made anew for each run, as the command does."""

    def declare(self, text: str | bytes, name: str = "notes.toml") -> Path:
        """Write a declaration."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def notes(self, *names: str, name: str = "notes.toml", **keys: str) -> Path:
        """Declare plain notes; a keyword adds lines to the note of that name."""
        tables = [f'[note.{n}]\npath = "{n}"\ntext = "{n}"\n{keys.get(n, "")}\n' for n in names]
        return self.declare("".join(tables), name)

    def says(self, name: str) -> dict[str, str] | None:
        """Return what a note says; None for no note."""
        path = self.folder / name
        return json.loads(path.read_text()) if path.exists() else None

    def texts(self, *names: str) -> tuple[Text, ...]:
        """Read declarations as the command does."""
        return read_texts([str(self.folder / name) for name in names or ("notes.toml",)])

    def load(self, *names: str) -> tuple[Resource, ...]:
        """Load declarations as the command does, without a memo."""
        return load(self.texts(*names), self.composition(), "/dev/null/no-cache")

    def run(self, *words: str | Path, stdin: str | bytes = b"") -> Ended:
        """Run one verb; the file `notes.toml` unless another one is named."""
        given = list(map(str, words))
        if not any(word == "-" or word.endswith((".toml", "/")) for word in given[1:]):
            given.append(str(self.folder / "notes.toml"))
        return self.say(*given, stdin=stdin)

    def say(
        self,
        *words: str,
        stdin: str | bytes = b"",
        terminal: bool = False,
    ) -> Ended:
        """Run the command with just these words."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = _Stream(terminal), _Stream(terminal)
        before = sys.stdin
        sys.stdin = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
        try:
            with as_it_was(), redirect_stdout(out), redirect_stderr(err):
                try:
                    code = main(lambda _settings: self.composition(), argv=words)
                except SystemExit as left:
                    code = int(left.code or 0)
        finally:
            sys.stdin = before
        return ended(words, code, out.content(), err.content())


class _Stream(io.TextIOWrapper):
    def __init__(self, terminal: bool) -> None:
        self.bytes = io.BytesIO()
        self.terminal = terminal
        super().__init__(self.bytes, encoding="utf-8")

    def isatty(self) -> bool:
        return self.terminal

    def content(self) -> bytes:
        self.flush()
        return self.bytes.getvalue()


@contextmanager
def as_it_was() -> Iterator[None]:
    """Leave this process's signals, umask and listener as they were."""
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    umask = os.umask(0o022)
    os.umask(umask)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.umask(umask)
        progress.listen(progress.Reporter())
        stop._asked = 0


def changes_of(resource: Mapping[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    """Return before and after of each changed attribute of a reported resource."""
    return {one["attribute"]: (one["before"], one["after"]) for one in resource["changes"]}
