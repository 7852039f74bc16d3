"""What cannot be meant as it is written is refused before anything starts."""

from __future__ import annotations

from typing import Any

import pytest

from .host import Host

MISTAKES = {
    "a home folder": ({"path": "~/app"}, "nothing is expanded"),
    "a variable": ({"path": "$HOME/app"}, "nothing is expanded"),
    "a file in a home folder": ({"netrc": "~/.netrc"}, "nothing is expanded"),
    "a folder of wheels in one": ({"find_links": ["~/wheels"]}, "nothing is expanded"),
    "a link there": ({"more": '[link."~/bin/sh"]\nto = "/bin/sh"'}, "nothing is expanded"),
    "a link into it": ({"more": '[link."sh"]\nto = "~/bin/sh"'}, "nothing is expanded"),
    "a command there": ({"more": '[command.a]\nargv = ["a"]\ncwd = "~"'}, "nothing is expanded"),
    "no time at all": ({"more": '[command.a]\nargv = ["a"]\ntimeout = 0'}, "a year at most"),
    "time without end": ({"more": f'[command.a]\nargv = ["a"]\ntimeout = {10**18}'}, "at most"),
    "the folder itself": ({"path": "."}, "no folder of its own"),
    "the folder above": ({"path": "../.."}, "no folder of its own"),
    "a path that cannot stand in PATH": ({"path": "a:b"}, "has no `:` in it"),
    "a folder of requirements": ({"requirements": ["wheels"]}, "is a folder"),
    "a folder of constraints": ({"constraints": ["wheels"]}, "is a folder"),
    "no place at all": ({"find_links": [""]}, '"." for the folder of this file'),
    "no module": ({"system_packages": [""]}, "is no name of a module"),
    "a path to a module": ({"system_packages": ["lib/one"]}, "is no name of a module"),
    "no date": ({"exclude_newer": "yesterday"}, "2026-01-31"),
    "an index without a scheme": ({"index_url": "example.org/simple"}, "as in `https://"),
    "an index that no installer reads": ({"index_url": "ftp://h/simple"}, "as in `https://"),
    "a variable without a name": ({"extra_index_url": ["env:"]}, "`env:NAME`"),
    "no index among several": ({"extra_index_url": [""]}, "is no URL of an index"),
    "a test without a program": ({"smoke": ["''", "true"]}, "an empty command"),
    "a day that no calendar has": ({"exclude_newer": "2026-02-30"}, "is no date"),
    "a time that no clock has": ({"exclude_newer": "2026-02-03T25:00:00Z"}, "is no date"),
    "a span of time": ({"exclude_newer": "2 weeks"}, "2026-01-31"),
}


@pytest.mark.parametrize(("keys", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_declaration_that_cannot_be_meant(stocked: Host, keys: dict[str, Any], said: str) -> None:
    stocked.declare(["beta"], **keys)

    refused = stocked.apply()

    assert refused.code == 65
    (problem,) = refused.report["problems"]
    assert said in f"{problem['message']} {problem['hint']}"


@pytest.mark.parametrize("path", ["app", "app/inner"])
def test_two_that_are_in_each_others_way_are_told_once(stocked: Host, path: str) -> None:
    stocked.declare(["beta"], f'[venv.other]\npath = "venvs/{path}"\n')

    refused = stocked.apply()

    assert refused.code == 65
    (problem,) = refused.report["problems"]
    assert problem["hint"].startswith(f"`{stocked.folder}/venvs/{path}` and `{stocked.venv}`: ")


def test_a_folder_that_cannot_be_printed_is_shown_where_it_is_to_blame(host: Host) -> None:
    host.write('[venv.app]\npath = "app"\n', "odd\nfolder/converge.toml")

    refused = host.run("plan", "--json", "odd\nfolder/converge.toml")

    assert refused.code == 65
    (problem,) = refused.report["problems"]
    assert problem["message"] == f"{f'{host.folder}/odd{chr(10)}folder/app'!r} is no path"
    assert "rename the folder" in problem["hint"]


def test_a_part_of_nothing_is_told_that_nothing_is_declared(host: Host) -> None:
    host.write("")

    assert "declared are none" in host.run("plan", "--only", "venv.app", "converge.toml").err


def test_a_name_to_upgrade_that_is_none(stocked: Host) -> None:
    stocked.declare(["beta"])

    assert stocked.apply("--upgrade=bad name!").code == 64


@pytest.mark.parametrize("variable", ["CONVERGE_CACHE_DIR", "CONVERGE_STATE_DIR"])
def test_a_folder_of_ours_that_depends_on_where_we_are_called(stocked: Host, variable: str) -> None:
    stocked.declare(["beta"])

    refused = stocked.apply(env={variable: "here"})

    assert refused.code == 64
    assert variable in refused.err


def test_a_symlink_of_anothers_making_can_be_adopted(stocked: Host) -> None:
    stocked.declare(["beta"])
    stocked.venv.parent.mkdir()
    stocked.venv.symlink_to("/usr")

    done = stocked.run("adopt", "converge.toml", "app")
    again = stocked.run("adopt", "converge.toml", "app")

    assert done.code == 0, done.err
    assert "was a symlink to /usr\n" in done.out
    assert stocked.python_says("import beta; print(beta.__version__)") == "2.0"
    assert again.code == 1
    assert "nothing of another tool" in again.err
    stocked.write("")
    (note,) = stocked.run("plan", "--json", "converge.toml").report["notes"]
    assert note.startswith("`venv.app` is no longer declared")
