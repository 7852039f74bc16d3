"""Units, crontabs, and scripts: which programs they start, and which modules they import."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from states.global_installs.references.scripts import command_usage, script_usage, split_command
from states.global_installs.references.units import crontab_reference, unit_reference

PYTHON = os.path.realpath(sys.executable)


@pytest.fixture(autouse=True)
def _no_cached_scripts() -> None:
    script_usage.cache_clear()


def _script(
    tmp_path: Path, content: str, name: str = "script", head: str = f"#!{PYTHON} -s\n"
) -> str:
    path = tmp_path / name
    path.write_text(head + content)
    return str(path)


def test_script_has_its_imports_also_in_functions(tmp_path: Path) -> None:
    text = "import a.b, c as d\nfrom e.f import g\nfrom . import h\ndef i():\n    import j\n"
    usage = script_usage(_script(tmp_path, text))
    assert usage.imports == tuple((PYTHON, name) for name in ("a", "c", "e", "j"))


@pytest.mark.parametrize("content", ["print 'old'\n", "\0\0", "(" * 10_000, "x = '" + "\ud800"[:0]])
def test_script_that_does_not_parse_imports_nothing(content: str, tmp_path: Path) -> None:
    assert script_usage(_script(tmp_path, content)).imports == ()


def test_other_script_is_only_a_program(tmp_path: Path) -> None:
    path = _script(tmp_path, "import a\n", head="#!/bin/sh\n")
    assert script_usage(path).programs == (path,)
    assert script_usage(path).imports == ()


@pytest.mark.parametrize(
    "line",
    [
        "{python} {script} --flag",
        "{python} -B -u {script}",
        "/usr/bin/env X=1 {script}",
        "/bin/sh -c 'cd / && exec {script} --flag'",
        '/bin/sh -c "nice -n 5 {python} {script}"',
    ],
)
def test_command_line_has_the_imports_of_its_script(line: str, tmp_path: Path) -> None:
    script = _script(tmp_path, "import a\n")
    usage = command_usage(split_command(line.format(python=PYTHON, script=script)))
    assert (PYTHON, "a") in usage.imports
    assert script in usage.programs


def test_module_of_a_command_line_is_imported() -> None:
    assert command_usage([PYTHON, "-I", "-m", "http.server", "80"]).imports == ((PYTHON, "http"),)


def test_argument_with_the_name_of_a_program_starts_nothing() -> None:
    assert command_usage(["/usr/bin/env", "true", "false"]).programs == (
        "/usr/bin/env",
        "/usr/bin/true",
    )


def test_unit_with_continued_lines_and_prefixes_is_read(tmp_path: Path) -> None:
    script = _script(tmp_path, "import a\n")
    unit = tmp_path / "a.service"
    unit.write_text(
        f"[Service]\n# ExecStart=/bin/ls\nUser = web\nExecStartPre=-/usr/bin/true\n"
        f"ExecStart=@!{PYTHON} \\\n  python {script}\n"
    )
    reference = unit_reference(str(unit))
    assert reference.user == "web"
    assert (PYTHON, "a") in reference.usage.imports
    assert "/usr/bin/true" in reference.usage.programs
    assert "/usr/bin/ls" not in reference.usage.programs


def test_crontab_of_a_user_has_no_user_column(tmp_path: Path) -> None:
    script = _script(tmp_path, "import a\n")
    crontab = tmp_path / "ann"
    crontab.write_text(
        f"# comment\nSHELL=/bin/sh\n*/5 * * * * {script} >/dev/null\n@daily /usr/bin/true\n"
    )
    reference = crontab_reference(str(crontab))
    assert reference.user == "ann"
    assert script in reference.usage.programs
    assert "/usr/bin/true" in reference.usage.programs


def test_unbalanced_quotes_are_split_at_white_space(tmp_path: Path) -> None:
    script = _script(tmp_path, "import a\n")
    assert command_usage(split_command(f"{script} 'open")).programs[0] == script
