"""After a signal, a run ends at the next safe point and reports the interruption."""

from __future__ import annotations

import json
import os
import pty
import signal
import termios
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.unit.cli_runner import CliRunner
from tests.unit.subprocesses import LockHolder, PausedRun, wait_for_delivery

STOPS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(autouse=True)
def default_handlers() -> Iterator[None]:
    """Reset signal handlers: a background job ignores SIGINT, and its children inherit that."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in STOPS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("arguments", [[], ["--detailed-exitcode"]])
@pytest.mark.parametrize("number", STOPS)
def test_signal_ends_the_run_at_the_next_safe_point(
    cli: CliRunner, number: signal.Signals, arguments: list[str]
) -> None:
    cli.declare_widgets("wait", "after", "last", last='needs = ["widget.wait"]')
    result = PausedRun(cli, "apply", "--json", "--jobs", "1", *arguments).interrupt(number)
    assert result.code == STOPS[number]
    assert result.report["exit"] == {
        "code": STOPS[number],
        "class": "interrupted",
        "retryable": True,
    }
    assert result.outcomes() == {
        "widget.wait": "failed",
        "widget.after": "failed",
        "widget.last": "skipped",
    }
    assert result.resource("widget.wait")["error"]["message"].startswith(
        f"interrupted by {number.name}"
    )
    assert [cli.read_widget(name) for name in ("wait", "after", "last")] == [None, None, None]


def test_run_after_an_interruption_completes(cli: CliRunner) -> None:
    cli.declare_widgets("wait", "after")
    PausedRun(cli, "apply", "--jobs", "1").interrupt(signal.SIGTERM)
    assert cli.run("apply", "--json").outcomes() == {
        "widget.wait": "changed",
        "widget.after": "changed",
    }
    assert cli.run("apply", "--json").report["changed"] is False


def test_second_signal_ends_the_run_immediately(cli: CliRunner) -> None:
    cli.declare_widgets("wait")
    run = PausedRun(cli, "apply")
    with open(run.pipe, "w", encoding="utf-8"):
        run.process.send_signal(signal.SIGTERM)
        wait_for_delivery(run.process.pid)
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(30) == 143
    out, _ = run.process.communicate()
    assert out == b""


def test_second_signal_restores_the_terminal(cli: CliRunner) -> None:
    cli.declare_widgets("wait")
    controller, terminal = pty.openpty()
    run = PausedRun(cli, "apply", stderr=terminal)
    shown = bytearray()
    reader = threading.Thread(target=_read_terminal, args=(controller, shown), daemon=True)
    reader.start()
    with open(run.pipe, "w", encoding="utf-8"):
        _interrupt_twice(run)
    os.close(terminal)
    reader.join(30)
    os.close(controller)
    assert shown.rindex(b"\x1b[?25h") > shown.find(b"\x1b[?25l")


def test_second_signal_ends_the_run_if_terminal_is_stopped(cli: CliRunner) -> None:
    """Ctrl+S stops a terminal: a write to it blocks until Ctrl+Q."""
    cli.declare_widgets("wait")
    controller, terminal = pty.openpty()
    run = PausedRun(cli, "apply", stderr=terminal)
    with open(run.pipe, "w", encoding="utf-8"):
        termios.tcflow(terminal, termios.TCOOFF)
        _interrupt_twice(run)
    os.close(controller)
    os.close(terminal)


def _interrupt_twice(run: PausedRun) -> None:
    run.process.send_signal(signal.SIGINT)
    wait_for_delivery(run.process.pid)
    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(30) == 130


def _read_terminal(controller: int, shown: bytearray) -> None:
    """Add the output to `shown` until the terminal is closed, which fails a read with EIO."""
    with suppress(OSError):
        while chunk := os.read(controller, 4096):
            shown += chunk


def test_signal_ends_a_run_that_waits_for_input(cli: CliRunner) -> None:
    os.mkfifo(cli.directory / "widgets.toml")
    run = PausedRun(cli, "plan")
    with open(cli.directory / "widgets.toml", "w", encoding="utf-8"):
        run.process.send_signal(signal.SIGTERM)
        assert run.process.wait(30) == -signal.SIGTERM


def test_ignored_signal_stays_ignored(cli: CliRunner) -> None:
    """`nohup` starts commands with SIGHUP ignored."""
    cli.declare_widgets("wait")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run = PausedRun(cli, "apply", "--json")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert run.interrupt(signal.SIGHUP, ignored=True).outcomes() == {"widget.wait": "changed"}


def test_interruption_takes_precedence_over_failures(cli: CliRunner) -> None:
    cli.declare_widgets("broken", "wait")
    (cli.directory / "broken").mkdir()
    # With one job, the first widget fails before the signal arrives.
    result = PausedRun(cli, "apply", "--json", "--jobs", "1").interrupt(signal.SIGTERM)
    assert (result.code, result.report["exit"]["class"]) == (143, "interrupted")
    assert "is a directory" in result.resource("widget.broken")["error"]["message"]


def test_signal_ends_a_wait_for_a_lock(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    holder = LockHolder(cli.directory / "a.lock")
    try:
        run = PausedRun(cli, "apply", "--json", "--lock-timeout", "600")
        assert run.process.stderr is not None
        assert b"waiting for the lock" in run.process.stderr.readline()
        run.process.send_signal(signal.SIGTERM)
        assert run.wait().code == 143
    finally:
        holder.release()


def test_interrupted_run_reports_failure_in_json(cli: CliRunner) -> None:
    cli.declare_widgets("wait")
    result = PausedRun(cli, "apply", "--json").interrupt(signal.SIGINT)
    assert json.loads(result.out)["failed"] is True
