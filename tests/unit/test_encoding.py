"""The characters of the output, for each kind of reader."""

from __future__ import annotations

import io
import json
import os
import pty
import select
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from engine.system.encoding import escape, names_utf8
from tests.support.command import Converge
from tests.unit.cli_runner import CliRunner

_UTF8 = ({"LANG": "C.UTF-8"}, {"LANG": "C", "LC_CTYPE": "en_US.utf8"}, {"LC_ALL": "C.UTF-8"})
_OTHER: tuple[dict[str, str], ...] = (
    {},
    {"LC_ALL": "C", "LANG": "en_US.UTF-8"},
    {"LC_ALL": "", "LC_CTYPE": "POSIX", "LANG": "en_US.UTF-8"},
    {"LANG": "de_DE.ISO-8859-1"},
    {"LANG": "de_DE"},
)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    """Return a declaration whose plan contains an arrow, and a name with letters like `Ł`."""
    (tmp_path / "Łódź").symlink_to("here")
    (tmp_path / "there").touch()
    file = tmp_path / "links.toml"
    file.write_text(f'[link."{tmp_path}/Łódź"]\nto = "there"\n')
    return file


def _run(converge: Converge, env: dict[str, str], *arguments: str | Path) -> tuple[bytes, bytes]:
    """Run with exactly this locale; return standard output and standard error."""
    environ = {key: value for key, value in converge.environment().items() if key != "LANG"}
    completed = subprocess.run(
        converge.argv(*arguments), env={**environ, **env}, capture_output=True, check=False
    )
    return completed.stdout, completed.stderr


def _run_on_a_terminal(converge: Converge, env: dict[str, str], *arguments: str | Path) -> str:
    """Run with exactly this locale and a terminal as standard output; return the output."""
    controller, terminal = pty.openpty()
    environ = {key: value for key, value in converge.environment().items() if key != "LANG"}
    with subprocess.Popen(
        converge.argv(*arguments), env={**environ, **env}, stdout=terminal, stderr=terminal
    ):
        os.close(terminal)
        output = b""
        with suppress(OSError):  # EIO: the other side was closed.
            while select.select([controller], [], [], 60)[0] and (
                block := os.read(controller, 65536)
            ):
                output += block
    os.close(controller)
    return output.decode()


_SAMPLE = (_UTF8[1], *_OTHER[:2])


@pytest.mark.parametrize("env", [*_UTF8, *_OTHER], ids=str)
def test_locale_is_that_of_the_variables(env: dict[str, str]) -> None:
    variables = {key.encode(): value.encode() for key, value in env.items()}
    assert names_utf8(variables) is (env in _UTF8)


@pytest.mark.parametrize("env", _SAMPLE, ids=str)
def test_signs_are_ascii_on_a_pipe(converge: Converge, plan: Path, env: dict[str, str]) -> None:
    """A program that reads the output decodes it as it likes. Names are shown as they are."""
    out, err = _run(converge, env, "plan", plan)
    assert b"here -> " in out
    assert err == b""
    assert "Łódź".encode() in out or env not in _UTF8


@pytest.mark.parametrize("env", _OTHER[:2], ids=str)
def test_output_is_ascii_where_the_locale_is_not_utf_8(
    converge: Converge, plan: Path, env: dict[str, str]
) -> None:
    """Python itself selects UTF-8 in the C locale. The reader of the output doesn't."""
    out, _ = _run(converge, env, "plan", plan)
    assert out.isascii()
    assert b"/\\u0141\\xf3d\\u017a" in out
    _, err = _run(converge, env, "plan", "nö.toml")
    assert err.startswith(b"error: no such file: `n\\xf6.toml`\n")


@pytest.mark.parametrize("env", _OTHER[:1], ids=str)
def test_json_is_utf_8_in_any_locale(converge: Converge, plan: Path, env: dict[str, str]) -> None:
    out, _ = _run(converge, env, "plan", "--json", plan)
    (resource,) = json.loads(out.decode())["resources"]
    assert resource["name"].endswith("/Łódź")
    out, _ = _run(converge, env, "graph", "--format", "dot", plan)
    assert "Łódź" in out.decode()


@pytest.mark.parametrize("env", _SAMPLE, ids=str)
def test_signs_on_a_terminal_follow_its_locale(
    converge: Converge, plan: Path, env: dict[str, str]
) -> None:
    out = _run_on_a_terminal(converge, env, "plan", plan)
    assert ("here → " in out, "Łódź" in out) == (env in _UTF8, env in _UTF8)
    assert out.isascii() is (env not in _UTF8)


def test_signs_in_errors_are_ascii_on_a_pipe(cli: CliRunner) -> None:
    cli.declare_widgets("a", "b", a='needs = ["widget.b"]', b='needs = ["widget.a"]')
    assert "dependency cycle: widget.a -> widget.b -> widget.a" in cli.run("plan").err


def test_output_of_a_tool_gets_ascii_signs() -> None:
    """These signs are in the explanation of an installer."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    text = "× No solution found:\n╰─▶ Because café→1\n├─▶ and"
    assert escape(text, stream) == "x No solution found:\n`-> Because café->1\n|-> and"
