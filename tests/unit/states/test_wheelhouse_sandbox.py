"""The output of a build user is data. It adds no options, and no paths outside of a directory."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.errors import ConvergeError
from states.system.subprocesses import Completed, User
from states.venv.resolve.pylock import format_lock
from states.venv.spec import Venv
from states.wheelhouse.sandbox import give_to
from states.wheelhouse.select.artifacts import artifacts_of
from states.wheelhouse.select.as_user import _read_result
from states.wheelhouse.select.selection import Selected, VenvPython
from states.wheelhouse.sources.tools import Tools
from tests.unit.states.values import make_python

USER = User("builder", 1234, 1234)
VENV = Venv(path="/srv/web")
HASHES = {"sha256": "0" * 64}


@pytest.mark.parametrize(
    "requirements",
    [
        ("--no-binary native", "native"),
        ("-r /etc/shadow",),
        ("native @ https://wheels.example/native-1.0.tar.gz",),
        ("/srv/native",),
        ('native; python_version > "3\n--no-binary native\n"',),
    ],
)
def test_build_requirement_must_be_a_name(requirements: Sequence[str], tmp_path: Path) -> None:
    tools = Tools(str(tmp_path), str(tmp_path))
    with pytest.raises(ConvergeError, match="isn't a build requirement"):
        tools.provide(requirements, VENV, make_python(), str(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            {
                "vcs": {
                    "type": "git",
                    "url": "https://git.example/x",
                    "commit-id": "--upload-pack=x",
                }
            },
            "invalid commit of native in the lock: `--upload-pack=x`",
        ),
        (
            {"archive": {"url": "https://a.example/x", "name": "../../x.zip", "hashes": HASHES}},
            "invalid file name of native in the lock: `../../x.zip`",
        ),
        (
            {"archive": {"url": "https://a.example/..%2F..%2Fx.zip", "hashes": HASHES}},
            "invalid file name of native in the lock: `../../x.zip`",
        ),
        (
            {"archive": {"path": "/srv/..", "hashes": HASHES}},
            "invalid file name of native in the lock: `..`",
        ),
    ],
)
def test_lock_contains_no_option_and_no_path_outside(
    source: dict[str, object], expected: str
) -> None:
    lock = format_lock({"packages": [{"name": "native", "version": "1.0", **source}]}).text
    selected = Selected(VenvPython("venv.web", "3.11", "", make_python()), lock)
    with pytest.raises(ConvergeError, match=re.escape(expected)):
        list(artifacts_of(selected, VENV))


def test_user_gets_the_source_after_everything_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise, the user could replace a directory before root changes the owner of its files."""
    (tmp_path / "source/directory").mkdir(parents=True)
    (tmp_path / "source/directory/file").touch()
    given: list[str] = []

    def record(path: str, _uid: int, _gid: int) -> None:
        given.append(path)

    monkeypatch.setattr(os, "lchown", record)

    give_to(USER, str(tmp_path))

    assert given[-1] == str(tmp_path)
    assert len(given) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "can't run converge"),
        ({"lock": ""}, "can't run converge"),
        ({"error": {"class": "NoInput"}}, "can't run converge"),
        ({"error": {"class": "summarize", "message": "m", "hint": None, "output": ""}}, "m"),
        ({"error": {"class": "Interrupted", "message": "m", "hint": "h", "output": ""}}, "m"),
        ({"error": {"class": "Unavailable", "message": "m", "hint": "h", "output": ""}}, "m"),
    ],
)
def test_result_of_any_form_is_an_error_for_people(
    content: object, message: str, tmp_path: Path
) -> None:
    (tmp_path / "result.json").write_text(json.dumps(content))
    with pytest.raises(ConvergeError, match=message):
        _read_result(str(tmp_path / "result.json"), USER, Completed(0, ""))
