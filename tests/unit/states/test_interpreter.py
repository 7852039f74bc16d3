"""A recorded interpreter: requests it satisfies, and how it changes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from engine import redaction
from engine.errors import ConvergeError
from engine.redaction import register_url
from states.interpreter import discovery
from states.interpreter.discovery import Python
from states.interpreter.probe import parse_probe, probe_program
from states.system import subprocesses
from states.system.subprocesses import Completed
from tests.unit.states.values import make_python

SATISFIED = [
    ("3", "3.11.7", True),
    ("3.11", "3.11.7", True),
    ("3.11.7", "3.11.7", True),
    ("3.11.6", "3.11.7", False),
    ("3.1", "3.11.7", False),
    ("3.12", "3.11.7", False),
    (">=3.10,<3.12", "3.11.7", True),
    (">=3.12", "3.11.7", False),
    ("~=3.10", "3.11.7", True),
    ("!=3.11.7", "3.11.7", False),
    (">=3.13", "3.14.0", True),
]


@pytest.mark.parametrize(("request_", "version", "expected"), SATISFIED)
def test_satisfies_version(request_: str, version: str, expected: bool) -> None:
    """A bare version admits each release below it."""
    assert discovery.satisfies(make_python(version=version), request_) is expected


VALID = {
    "3": True,
    "3.11": True,
    "3.11.7": True,
    ">=3.11,<3.13": True,
    "~=3.11": True,
    "/usr/bin/python3": True,
    "/": True,
    "": False,
    "python3.11": False,
    "3.x": False,
    ">=": False,
    "bin/python": False,
    "~/python": False,
}


@pytest.mark.parametrize(("request_", "expected"), VALID.items())
def test_valid_request(request_: str, expected: bool) -> None:
    """A version, a range, or an absolute path."""
    assert discovery.is_valid_request(request_) is expected


COMPATIBLE = [
    ({"version": "3.11.2"}, True),
    ({"version": "3.12.7"}, False),
    ({"implementation": "CPythont"}, False),
    ({"implementation": "PyPy"}, False),
    ({"executable": "/opt/python3.11"}, True),
]


@pytest.mark.parametrize(("fields", "expected"), COMPATIBLE)
def test_compatibility_compares_minor_version_and_implementation(
    fields: dict[str, str], expected: bool
) -> None:
    """Versions and wheels selected for one suit the other."""
    assert make_python().is_compatible_with(make_python(**fields)) is expected
    assert make_python(**fields).is_compatible_with(make_python()) is expected


@pytest.fixture
def executable(tmp_path: Path) -> Path:
    """Return a file that stands for an interpreter."""
    file = tmp_path / "python3.11"
    file.write_text("one")
    return file


def _record(file: Path) -> Python:
    stats = {str(file): discovery._stat(str(file))}
    return make_python(executable=str(file), watched=stats, digest=discovery._digest(stats))


def test_path_request_follows_symlinks(executable: Path, tmp_path: Path) -> None:
    """A path is satisfied by the file that it points to."""
    link = tmp_path / "python3"
    link.symlink_to(executable)
    assert discovery.satisfies(_record(executable), str(link))
    assert not discovery.satisfies(make_python(), str(link))


def test_path_that_points_to_another_interpreter(executable: Path, tmp_path: Path) -> None:
    """A missing path, a version and a wrapper script keep the recorded interpreter."""
    other = tmp_path / "python3.12"
    other.touch()
    link = tmp_path / "python3"
    link.symlink_to(executable)
    recorded = _record(executable)
    assert not discovery.resolves_differently(recorded, str(link))
    link.unlink()
    assert not discovery.resolves_differently(recorded, str(link))
    link.symlink_to(other)
    assert discovery.resolves_differently(recorded, str(link))
    assert not discovery.resolves_differently(recorded, str(other))
    assert not discovery.resolves_differently(recorded, "3.12")


def test_intact_interpreter_has_no_drift(executable: Path) -> None:
    """A new timestamp alone is not a change."""
    recorded = _record(executable)
    assert recorded.drift() == ""
    os.utime(executable, (1, 1))
    assert recorded.drift() == ""


def test_missing_and_changed_interpreter_drift(executable: Path) -> None:
    """Plans show the drift before the executable."""
    recorded = _record(executable)
    executable.write_text("two")
    assert recorded.drift() == "changed"
    assert recorded.attribute("changed") == f"changed {executable}"
    executable.unlink()
    assert recorded.drift() == "missing"


def test_json_round_trip(executable: Path) -> None:
    """A receipt of an older release has no implementation."""
    recorded = _record(executable)
    document = discovery.to_json(recorded)
    assert discovery.from_json(document) == recorded
    del document["implementation"]
    assert discovery.from_json(document).implementation == ""


BROKEN = [
    ({}, KeyError),
    ({"executable": "", "version": "", "digest": "", "watched": None}, AttributeError),
    ({"executable": "", "version": "", "digest": "", "watched": {"/x": 1}}, TypeError),
]


@pytest.mark.parametrize(("document", "error"), BROKEN)
def test_from_json_rejects_other_documents(
    document: dict[str, object], error: type[Exception]
) -> None:
    """The reader of the receipt treats it as missing."""
    with pytest.raises(error):
        discovery.from_json(document)


def test_probe_skips_other_output() -> None:
    """Site modules may print lines before it."""
    program = probe_program("[1, 2]")
    printed = Completed(0, "loading\n\nconverge probe: 5b312c20325d\nbye\n")
    assert "[1, 2]" in program
    assert parse_probe(printed) == [1, 2]
    assert parse_probe(Completed(1, printed.output)) is None
    assert parse_probe(Completed(0, "loading\n")) is None


def test_probe_returns_a_path_that_contains_a_password(tmp_path: Path) -> None:
    """The output is redacted, but the value decides whether an environment is isolated."""
    register_url("https://ann:openstack@host/simple/")
    try:
        completed = subprocesses.run(
            [sys.executable, "-I", "-c", probe_program("'/openstack/venvs/nova'")],
            env=subprocesses.clean_environment(str(tmp_path)),
            cwd=str(tmp_path),
        )
    finally:
        redaction.reset()
    assert parse_probe(completed) == "/openstack/venvs/nova"


def test_find_rejects_a_path_that_is_not_executable(executable: Path) -> None:
    """The message names the request."""
    with pytest.raises(ConvergeError, match=r"python3\.11"):
        discovery.find(str(executable))
    with pytest.raises(ConvergeError, match="missing"):
        discovery.find(str(executable.parent / "missing"))
