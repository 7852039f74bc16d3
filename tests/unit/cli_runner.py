"""Run the engine's command line in this process, with the widget kind as the only kind."""

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
from unittest import mock

from engine import progress, redaction
from engine.cli.main import main
from engine.declaration.load import load_declaration, read_sources
from engine.declaration.source_file import SourceFile
from engine.registry import KindRegistry
from engine.resource import Resource
from engine.system import signals
from tests.support.command import Completed, completed
from tests.unit.widget_kind import widget_registry

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CliRunner:
    """A project directory with declarations and widgets, and the command that reads them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.registry: Callable[[], KindRegistry] = widget_registry
        """Called for each run, as the command does."""

    def declare(self, content: str | bytes, filename: str = "widgets.toml") -> Path:
        """Write a declaration and return its path."""
        path = self.directory / filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def declare_widgets(self, *names: str, filename: str = "widgets.toml", **lines: str) -> Path:
        """Declare one widget per name.

        Args:
            names: The widgets. Each has its name as path and as text.
            filename: The declaration, relative to the project directory.
            lines: For each widget name, lines to append to its table.
        """
        tables = [
            f'[widget.{name}]\npath = "{name}"\ntext = "{name}"\n{lines.get(name, "")}\n'
            for name in names
        ]
        return self.declare("".join(tables), filename)

    def read_widget(self, name: str) -> dict[str, str] | None:
        """Return the state in a widget's file, or None if the file doesn't exist."""
        path = self.directory / name
        return json.loads(path.read_text()) if path.exists() else None

    def read_sources(self, *filenames: str) -> tuple[SourceFile, ...]:
        """Read declarations as the command does."""
        return read_sources(
            [str(self.directory / filename) for filename in filenames or ("widgets.toml",)],
            self.registry(),
        )

    def load(self, *filenames: str) -> tuple[Resource, ...]:
        """Load declarations as the command does, without a cache."""
        return load_declaration(
            self.read_sources(*filenames), self.registry(), "/dev/null/no-cache"
        )

    def run(self, *arguments: str | Path, stdin: str | bytes = b"") -> Completed:
        """Run a command; append `widgets.toml` unless the arguments name a declaration."""
        argv = list(map(str, arguments))
        if not any(argument == "-" or argument.endswith((".toml", "/")) for argument in argv[1:]):
            argv.append(str(self.directory / "widgets.toml"))
        return self.invoke(*argv, stdin=stdin)

    def invoke(
        self,
        *arguments: str,
        stdin: str | bytes = b"",
        terminal: bool = False,
    ) -> Completed:
        """Run the command with exactly these arguments.

        Args:
            arguments: The command line without the program name.
            stdin: The content of standard input.
            terminal: Whether standard output and standard error claim to be terminals.
        """
        data = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = Stream(terminal), Stream(terminal)
        previous_stdin = sys.stdin
        sys.stdin = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
        try:
            with (
                restored_process_state(),
                # The locale of the test run must not matter.
                mock.patch("engine.system.encoding.locale_is_utf8", return_value=True),
                redirect_stdout(out),
                redirect_stderr(err),
            ):
                try:
                    code = main(lambda _settings: self.registry(), argv=arguments)
                except SystemExit as system_exit:
                    code = int(system_exit.code or 0)
        finally:
            sys.stdin = previous_stdin
        return completed(arguments, code, out.content(), err.content())


class Stream(io.TextIOWrapper):
    """A stream that claims to be a terminal or not."""

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
def restored_process_state() -> Iterator[None]:
    """Restore this process's signal handlers, umask, reporter, and registered secrets on exit."""
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    umask = os.umask(0o022)
    os.umask(umask)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.umask(umask)
        progress.set_reporter(progress.Reporter())
        signals.reset()
        redaction.reset()


def changes_of(resource: Mapping[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    """Return before and after of each changed attribute of a reported resource."""
    return {
        change["attribute"]: (change["before"], change["after"]) for change in resource["changes"]
    }
