"""converge doesn't publish a wheel that is inconsistent or writes outside its own files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.integration.host import MINOR, Host
from tests.integration.snapshots import Snapshots
from tests.support.wheels import Raw, make_wheel, record_row

MODULE = "malicious/__init__.py"
SHELL = "#!/bin/sh\n"
MALICIOUS: dict[str, dict[str, Any]] = {
    "wrong hash in RECORD": {"record_lies": {MODULE: record_row("other")}},
    "no RECORD": {"without": ["RECORD"]},
    "binary RECORD": {"record": "\0\0\n"},
    "oversized RECORD row": {"record": "x" * 140_000 + ",,\n"},
    "pyvenv.cfg replaced": {"data": {"data/pyvenv.cfg": "home = /nowhere\n"}},
    "interpreter replaced by data": {"data": {"data/bin/python": SHELL}},
    "interpreter replaced by a script": {"scripts": {"python": SHELL}},
    "interpreter replaced by an entry point": {"console_scripts": {"python3": "malicious:main"}},
    "additional interpreter": {"scripts": {"python3.99": SHELL}},
    "activate replaced": {"scripts": {"activate": "exit 1\n"}},
    "startup hook replaced": {"files": {"_converge_startup.py": "malicious = True\n"}},
    "receipt included": {"data": {"data/.converge/receipt.json": "{}"}},
    "file missing from RECORD": {"record_lies": {MODULE: None}},
    "other version in METADATA": {"version": "2.0"},
}


def make_malicious(directory: Path, *, version: str = "1.0", **contents: Any) -> None:
    """Create the wheel `malicious` 1.0, whose metadata has `version`."""
    wheel = make_wheel(directory, "malicious", version, **contents)
    wheel.rename(directory / "malicious-1.0-py3-none-any.whl")


@pytest.fixture
def host_with_good(snapshots: Snapshots) -> Host:
    """Return a host with the package `good` and a private cache, as hostile wheels need."""
    private = replace(snapshots, cache=snapshots.directory / "cache")

    def prepare(host: Host) -> None:
        make_wheel(host.wheels, "good", "1.0")
        host.declare(["good"])
        host.apply_ok()

    return private.host("good", prepare)


@pytest.mark.parametrize("contents", MALICIOUS.values(), ids=MALICIOUS)
def test_hostile_wheel_is_not_published(host_with_good: Host, contents: dict[str, Any]) -> None:
    host = host_with_good
    make_malicious(host.wheels, **contents)
    before = host.generation
    host.declare(["good", "malicious"])

    failed = host.apply()

    assert failed.code in (1, 81), failed.out + failed.err
    error = failed.first["error"]
    assert "Traceback" not in failed.err
    assert "malicious" in error["message"] + error["output"] or "`" in error["message"]
    assert host.generation == before
    assert host.generations() == [before.name]
    assert not list(host.directory.rglob("canary"))
    assert host.run_python("import good; print(good.__version__)") == "1.0"


def test_unlisted_file_never_replaces_another_packages_file(host_with_good: Host) -> None:
    """The installer's write order is random, so apply either fails or installs the genuine file."""
    host = host_with_good
    hidden = "good/__init__.py"
    make_wheel(
        host.wheels,
        "malicious",
        "1.0",
        files={hidden: "__version__ = 'malicious'\n"},
        record_lies={hidden: None},
    )
    host.declare(["good", "malicious"])

    result = host.apply()

    assert result.code in (0, 1, 81), result.out + result.err
    assert "Traceback" not in result.err
    assert host.run_python("import good; print(good.__version__)") == "1.0"
    assert host.run("verify", "converge.toml").code == 0
    assert len(host.generations()) == (2 if result.code == 0 else 1)


HARMLESS: dict[str, dict[str, Any]] = {
    "missing file in RECORD": {"without": [MODULE]},
    "file above the root": {"raw": [Raw(name="../../../../../canary", content="x")]},
    "data above the root": {"data": {"data/../../canary": "x"}},
    "absolute path": {},
}


@pytest.mark.parametrize("contents", HARMLESS.values(), ids=HARMLESS)
def test_wheel_writes_nothing_outside_the_environment(host: Host, contents: dict[str, Any]) -> None:
    absolute = {"raw": [Raw(name=f"{host.directory}/canary", content="x")]}
    make_malicious(host.wheels, **(contents or absolute))
    host.cache = host.directory / "cache"
    host.declare(["malicious"])

    result = host.apply()

    assert result.code in (0, 1, 81)
    inside = {host.store, host.cache}
    assert [path for path in host.directory.rglob("canary") if not inside & {*path.parents}] == []
    if result.code == 0:
        host.assert_no_changes()


def test_script_named_like_a_venv_script_is_installed(host: Host) -> None:
    """argcomplete has such scripts."""
    names = ["python-argcomplete-check-easy-install-script", "activate-global-python-argcomplete"]
    scripts = dict.fromkeys(names, "#!/bin/sh\necho genuine\n")
    make_wheel(host.wheels, "argcomplete", "1.0", scripts=scripts)
    host.declare(["argcomplete"])

    host.assert_converges()

    assert [host.run_script(name) for name in names] == ["genuine", "genuine"]


@pytest.mark.parametrize("listed", [False, True])
def test_record_signature_may_be_missing_from_record(host: Host, listed: bool) -> None:
    """wheel 0.24 doesn't list it."""
    signature = "signed-1.0.dist-info/RECORD.jws"
    raw = [Raw(name=signature, content="{}", recorded=listed)]
    make_wheel(host.wheels, "signed", "1.0", raw=raw, record_lies={signature: ","})
    make_wheel(host.wheels, "other", "1.0")
    host.declare(["signed"])
    host.assert_converges()
    host.declare(["signed", "other"])

    host.assert_converges()

    assert (host.site / signature).read_text() == "{}"
    (host.site / signature).write_text("{...}")
    assert f"file.lib/{MINOR}/site-packages/{signature}" in host.check().changes()


def make_sharing_wheels(host: Host) -> None:
    """Create the wheels `first` and `second`, which both contain `shared/__init__.py`."""
    for name in ("first", "second"):
        files = {"shared/__init__.py": "", f"shared/{name}.py": ""}
        make_wheel(host.wheels, name, "1.0", files=files)


def test_two_packages_may_contain_the_same_file(host: Host) -> None:
    """Old namespace packages do."""
    make_sharing_wheels(host)
    host.declare(["first", "second"])

    host.assert_converges()

    assert host.run_python("import shared.first, shared.second; print('both')") == "both"


def test_manifest_is_correct_for_a_file_that_two_packages_write(host: Host) -> None:
    make_wheel(host.wheels, "first", "1.0", files={"shared/__init__.py": "origin = 'first'\n"})
    make_wheel(host.wheels, "second", "1.0", files={"shared/__init__.py": "origin = 'second'\n"})
    host.declare(["first"])
    host.apply_ok()
    host.declare(["first", "second"])

    host.assert_converges()

    verified = host.run("verify", "converge.toml")
    assert verified.code == 0, verified.out


def test_removing_a_package_keeps_a_shared_directory(host: Host) -> None:
    make_sharing_wheels(host)
    host.declare(["first", "second"])
    host.apply_ok()
    host.declare(["second"])

    host.assert_converges()

    assert sorted(file.name for file in (host.site / "shared").glob("*.py")) == [
        "__init__.py",
        "second.py",
    ]


def test_unusual_file_names_are_installed_and_in_the_manifest(host: Host) -> None:
    names = ["spaced name.py", "a,b.py", 'quote".py', "umläut.py", "%41.py"]
    files = {f"odd/{name}": "x = 1\n" for name in names}
    make_wheel(host.wheels, "odd", "1.0", files=files)
    host.declare(["odd"])

    host.assert_converges()

    for file in files:
        (host.site / file).write_text("x = 2\n")
    assert {change["attribute"] for change in host.assert_converges()["changes"]} == {
        *(f"file.lib/{MINOR}/site-packages/{file}" for file in files),
        "generation",
    }


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"{", b"[1]", b'{"url":1}'], ids=repr)
def test_wheel_may_contain_any_bytes_in_direct_url_json(host: Host, content: bytes) -> None:
    """The installer writes this file. A wheel can contain another one (PEP 610 forbids it)."""
    name = "odd-1.0.dist-info/direct_url.json"
    make_wheel(host.wheels, "odd", "1.0", files={name: content})
    host.declare(["odd"])
    host.apply_ok()
    assert (host.site / name).read_bytes() == content
    assert host.run("verify", "converge.toml").code == 0
