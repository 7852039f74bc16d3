"""Progress as plain lines, as a live display, or not at all. It never interrupts the work."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout

import pytest

from engine import progress
from engine.converge import converge
from engine.output.measure import Measure
from engine.output.terminal import JsonLines, Lines, Live, choose_reporter
from engine.strategy.actions import Apply
from tests.support.command import ROOT
from tests.unit.cli_runner import CliRunner, restored_process_state
from tests.unit.widget_kind import Widget, widget_registry


@pytest.fixture
def reporting_cli(cli: CliRunner) -> CliRunner:
    """Return a CLI runner with two widgets that report progress with control characters."""
    cli.declare_widgets("a", "b")

    def before_apply(spec: Widget) -> None:
        progress.step(f"writing {os.path.basename(spec.path)}\x1b[2J")
        progress.detail("tool output\r")

    cli.registry = lambda: widget_registry(before_apply=before_apply)
    return cli


def test_lines_print_each_step_with_its_resource(reporting_cli: CliRunner) -> None:
    assert reporting_cli.run("apply", "--jobs", "1").err == (
        "widget.a: writing a\\x1b[2J\nwidget.b: writing b\\x1b[2J\n"
    )


def test_lines_print_a_step_without_a_resource() -> None:
    with redirect_stderr(io.StringIO()) as stderr:
        Lines(verbose=False).step("", "waiting")
    assert stderr.getvalue() == "waiting\n"


def test_verbose_prints_tool_output(reporting_cli: CliRunner) -> None:
    err = reporting_cli.run("apply", "--jobs", "1", "--verbose").err
    assert err.splitlines()[:2] == [
        "widget.a: writing a\\x1b[2J",
        "widget.a:   tool output\\r",
    ]


def test_quiet_prints_nothing(reporting_cli: CliRunner) -> None:
    assert reporting_cli.run("apply", "--quiet").err == ""


def test_run_without_changes_prints_no_progress(reporting_cli: CliRunner) -> None:
    reporting_cli.run("apply")
    assert reporting_cli.run("apply", "--verbose").err == ""


def test_json_progress_is_one_object_for_each_event(reporting_cli: CliRunner) -> None:
    err = reporting_cli.run("apply", "--progress", "json", "--quiet", "--verbose", "-j1").err
    events = [json.loads(line) for line in err.splitlines()]
    assert all(event.pop("time") > 0 for event in events)
    assert events[:5] == [
        {"event": "started", "total": 2},
        {"event": "resource-started", "address": "widget.a"},
        {"event": "step", "address": "widget.a", "text": "writing a\x1b[2J"},
        {"event": "output", "address": "widget.a", "text": "tool output\r"},
        {"event": "resource-finished", "address": "widget.a", "failed": False},
    ]


def test_live_display_keeps_the_last_finished_resources() -> None:
    live, stream = Live(color=False), io.StringIO()
    with redirect_stderr(stream):
        live.start(30)
        for number in range(20):
            live.task_started(f"widget.{number}")
            live.task_finished(f"widget.{number}", failed=number == 19)
        assert live.progress is not None
        shown = [(task.fields["address"], task.description) for task in live.progress.tasks]
        live.close()
    assert [address for address, _ in shown[:-1]] == [f"widget.{n}" for n in range(12, 20)]
    assert [text for _, text in shown[:-1]] == ["done"] * 7 + ["failed"]
    assert re.fullmatch(r"20 of 30, about \d+ s left", shown[-1][0])


@pytest.mark.parametrize(
    ("unit", "total", "done", "elapsed", "text"),
    [
        ("files", 644, 412, 1.0, "compiling: 412 of 644 files"),
        ("files", 644, 322, 30.0, "compiling: 322 of 644 files, about 31 s left"),
        ("files", 644, 644, 30.0, "compiling: 644 of 644 files"),
        ("files", 644, 700, 30.0, "compiling: 644 of 644 files"),
        ("bytes", 100663296, 35756441, 1.0, "compiling: 34.1 of 96.0 MiB"),
        ("files", 0, 0, 9.0, "compiling: 0 of 0 files"),
    ],
)
def test_measure_has_an_amount_and_an_estimate(
    unit: str, total: int, done: int, elapsed: float, text: str
) -> None:
    measure = Measure("compiling", total, unit, now=0.0)
    assert measure.advance(done, now=elapsed) == text
    assert measure.advance(1, now=elapsed + 0.01) == "", "too soon to show again"


def test_live_display_shows_how_far_a_step_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.output.measure._INTERVAL_S", 0.0)
    with redirect_stderr(io.StringIO()):
        live = Live(color=False)
        live.start(1)
        live.task_started("venv.a")
        live.step("venv.a", "compiling 2 files")
        live.measure("venv.a", "compiling", 2, "files")
        live.advance("venv.a", 1)
        assert live.progress is not None
        assert live.progress.tasks[0].description == "compiling: 1 of 2 files"
        live.step("venv.a", "publishing")
        live.advance("venv.a", 1)
        assert live.progress.tasks[0].description == "publishing"
        live.advance("venv.b", 1)
        live.close()


def test_lines_do_not_show_how_far_a_step_is(cli: CliRunner) -> None:
    def before_apply(spec: Widget) -> None:
        progress.step("writing")
        progress.measure("writing", 2, "files")
        progress.advance()

    cli.declare_widgets("a")
    cli.registry = lambda: widget_registry(before_apply=before_apply)
    assert cli.run("apply").err == "widget.a: writing\n"


def test_broken_pipe_does_not_stop_the_work(reporting_cli: CliRunner) -> None:
    class ClosedPipe(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with restored_process_state(), redirect_stderr(ClosedPipe()):
        progress.set_reporter(Lines(verbose=True))
        results = converge(
            reporting_cli.load(), reporting_cli.registry().kinds, Apply(lock_timeout=0)
        )

    assert [result.outcome for result in results] == ["changed", "changed"]
    assert reporting_cli.read_widget("a") is not None
    assert reporting_cli.read_widget("b") is not None


def test_step_is_attributed_to_the_current_task() -> None:
    events: list[tuple[str, ...]] = []

    class Listener(progress.Reporter):
        def task_started(self, address: str) -> None:
            events.append(("begun", address))

        def step(self, address: str, text: str) -> None:
            events.append((address, text))

        def task_finished(self, address: str, *, failed: bool = False) -> None:
            events.append(("failed" if failed else "ended", address))

    with restored_process_state():
        progress.set_reporter(Listener())
        with pytest.raises(ZeroDivisionError), progress.task("widget.a"):
            _fail_after(lambda: progress.step("inside"))
        progress.step("outside")
    assert events == [
        ("begun", "widget.a"),
        ("widget.a", "inside"),
        ("failed", "widget.a"),
        ("", "outside"),
    ]


def _fail_after(work: Callable[[], None]) -> None:
    work()
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("quiet", "verbose", "terminal", "reporter_class"),
    [
        (True, False, "xterm", progress.Reporter),
        (True, True, "", progress.Reporter),
        (False, False, "", Lines),
        (False, True, "xterm", Lines),
        (False, False, "xterm", Live),
        (False, False, "dumb", Lines),
    ],
)
def test_reporter_depends_on_the_terminal(
    quiet: bool,
    verbose: bool,
    terminal: str,
    reporter_class: type[progress.Reporter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", terminal)
    stream = io.StringIO()
    stream.isatty = lambda: bool(terminal)  # type: ignore[method-assign]
    with redirect_stderr(stream):
        arguments = Namespace(quiet=quiet, verbose=verbose, progress="auto")
        assert type(choose_reporter(arguments, color=True)) is reporter_class
        assert type(choose_reporter(_with(arguments, "json"), color=True)) is JsonLines
        plain = progress.Reporter if quiet else Lines
        assert type(choose_reporter(_with(arguments, "plain"), color=True)) is plain


def _with(arguments: Namespace, form: str) -> Namespace:
    return Namespace(**{**vars(arguments), "progress": form})


def run_on_a_terminal(cli: CliRunner, *arguments: str, **env: str) -> tuple[int, str]:
    """Run the command with a terminal as standard error; return exit code and terminal output."""
    process, controller = start_on_a_terminal(cli, *arguments, **env)
    assert process.stdin is not None
    process.stdin.close()
    output = b""
    while select.select([controller], [], [], 60)[0]:
        try:
            block = os.read(controller, 65536)
        except OSError:
            break
        if not block:
            break
        output += block
    os.close(controller)
    return process.wait(60), output.decode()


def start_on_a_terminal(
    cli: CliRunner, *arguments: str, **env: str
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the command with a terminal as standard error.

    Each widget waits until standard input is closed.

    Returns:
        The process, and the controlling side of the terminal.
    """
    controller, terminal = pty.openpty()
    program = (
        "import sys; from engine import progress; from engine.cli.main import main\n"
        "from tests.unit.widget_kind import widget_registry\n"
        "def before_apply(spec):\n"
        "    progress.step('writing')\n"
        "    progress.detail('[red]tool output[/red] \\x1b[2J')\n"
        "    sys.stdin.read()\n"
        "code = main(lambda s: widget_registry(before_apply=before_apply))\n"
        "sys.exit(code)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments, str(cli.directory / "widgets.toml")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=terminal,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", **env},
    )
    os.close(terminal)
    return process, controller


def test_live_display_restores_the_terminal(cli: CliRunner) -> None:
    cli.declare_widgets("a", "b")
    code, shown = run_on_a_terminal(cli, "apply")
    assert code == 0
    assert "widget.a" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") >= 1, "the cursor is shown again"
    assert "\x1b[2J" not in shown, "a tool cannot clear the screen"


@pytest.mark.parametrize(
    ("arguments", "env", "colored"),
    [
        (["--color=always"], {"NO_COLOR": "1"}, True),
        (["--color=never"], {}, False),
        ([], {"NO_COLOR": "1"}, False),
    ],
)
def test_live_display_follows_the_color_setting(
    cli: CliRunner, arguments: list[str], env: dict[str, str], colored: bool
) -> None:
    cli.declare_widgets("a")
    _, shown = run_on_a_terminal(cli, "apply", *arguments, **env)
    assert "widget.a" in shown
    assert bool(re.search(r"\x1b\[[0-9;]*m", shown)) is colored


def test_live_display_is_empty_without_changes(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    cli.run("apply")
    assert run_on_a_terminal(cli, "apply") == (0, "")


def test_closed_terminal_does_not_stop_the_work(cli: CliRunner) -> None:
    cli.declare_widgets("a", "b")
    process, controller = start_on_a_terminal(cli, "apply", "--jobs", "1")
    os.read(controller, 1)
    os.close(controller)
    process.communicate()

    assert process.returncode == 0
    assert cli.read_widget("a")
    assert cli.read_widget("b")


def test_live_display_does_not_capture_stdout() -> None:
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    with redirect_stderr(stream), redirect_stdout(io.StringIO()) as result:
        live = Live(color=True)
        live.start()
        print("the result")
        live.close()
    assert result.getvalue() == "the result\n"
    assert "the result" not in stream.getvalue()


def test_live_display_shortens_long_tool_output() -> None:
    live, stream = Live(color=True), io.StringIO()
    with redirect_stderr(stream):
        live.start()
        live.task_started("widget.with-a-long-name\x1b[2J")
        live.detail("widget.with-a-long-name\x1b[2J", "tool output " * 20)
        assert live.progress is not None
        live.progress.refresh()
        with live.progress.console.capture() as shown:
            live.progress.console.print(live.progress.get_renderable())
        live.close()
    (line,) = shown.get().splitlines()
    assert r"widget.with-a-long-name\x1b[2J tool output" in line
    assert "0:00:0" in line


def test_live_display_does_not_interpret_markup() -> None:
    live = Live(color=True)
    stream = io.StringIO()
    with redirect_stderr(stream):
        live.step("widget.a", "before the task starts")
        live.start()
        live.task_started("widget.a")
        live.detail("widget.a", "[red]tool output[/red] \x1b[2J")
        assert live.progress is not None
        (task,) = live.progress.tasks
        assert task.description == r"[red]tool output[/red] \x1b[2J"
        live.task_finished("widget.a")
        assert [(task.description, task.finished) for task in live.progress.tasks] == [
            ("done", True)
        ]
        live.close()
    assert not re.search(r"\x1b\[2J", stream.getvalue())
