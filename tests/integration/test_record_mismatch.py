"""Wheels whose RECORD is wrong, or uses a hash other than SHA-256."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from tests.integration.host import MINOR, Host
from tests.integration.snapshots import Snapshots
from tests.support.wheels import make_wheel, record_row

SITE = f"lib/{MINOR}/site-packages"
MODULE = "broken/__init__.py"
HIDDEN = "broken/native.so"
MISMATCHES: dict[str, dict[str, Any]] = {
    "wrong digest": {"record_lies": {MODULE: record_row("other")}},
    "no digest": {"record_lies": {MODULE: ","}},
    "unlisted file": {"files": {HIDDEN: "x"}, "record_lies": {HIDDEN: None}},
}
"""As in sentry-cli 3.8.2 and FMPy 0.3.15."""


@pytest.mark.parametrize("contents", MISMATCHES.values(), ids=MISMATCHES)
def test_mismatch_is_accepted_only_if_declared(host: Host, contents: dict[str, Any]) -> None:
    host.cache = host.directory / "cache"
    make_wheel(host.wheels, "broken", "1.0", **contents)
    host.declare(["broken"])
    failed = host.apply()
    assert failed.code == 81
    assert 'set `accept-record-mismatch = ["broken"]`' in failed.first["error"]["hint"]
    host.declare(["broken"], accept_record_mismatch=["Broken"])

    done = host.apply_ok()

    assert [text for text in done.report["notices"] if "`accept-record-mismatch` applies" in text]
    assert host.run_python("import broken; print(broken.__version__)") == "1.0"
    host.assert_no_changes()
    assert host.run("verify", "converge.toml").code == 0


@pytest.mark.parametrize("lying_first", [True, False])
def test_accepted_file_runs_its_own_bytecode(host: Host, lying_first: bool) -> None:
    """Cached bytecode belongs to the digest in the RECORD, and not to the accepted file."""
    host.cache = host.directory / "cache"
    genuine, other = "NAME = 'genuine'\n", "NAME = 'other'\n"
    for is_lying in (lying_first, not lying_first):
        lies = {MODULE: record_row(genuine)} if is_lying else {}
        content = other if is_lying else genuine
        make_wheel(host.wheels, "broken", "1.0", files={MODULE: content}, record_lies=lies)
        host.declare(["broken"], accept_record_mismatch=["broken"])
        host.apply_ok("--upgrade")

        expected = "other" if is_lying else "genuine"
        assert host.run_python("import broken; print(broken.NAME)") == expected
    assert list((host.cache / "bytecode").rglob("*-*")) == []


@pytest.fixture
def accepted(snapshots: Snapshots) -> Host:
    """Return a host with an accepted mismatch and a package that has none."""

    def prepare(host: Host) -> None:
        make_wheel(host.wheels, "broken", "1.0", **MISMATCHES["wrong digest"])
        make_wheel(host.wheels, "other", "1.0")
        host.declare(["broken"], accept_record_mismatch=["broken", "other"])
        host.apply_ok()

    return snapshots.host("accepted", prepare)


def test_edit_of_an_accepted_file_is_drift(accepted: Host) -> None:
    """The manifest contains the digest of the installed file."""
    genuine = (accepted.site / MODULE).read_text()
    (accepted.site / MODULE).write_text("edited\n")

    assert accepted.check().changes().keys() == {f"file.{SITE}/{MODULE}", "generation"}
    report = json.loads(accepted.run("verify", "converge.toml", "--json").out)
    assert [damage["path"] for damage in report["generations"][0]["damage"]] == [f"{SITE}/{MODULE}"]
    accepted.apply_ok()
    assert (accepted.site / MODULE).read_text() == genuine
    accepted.declare(["broken", "other"], accept_record_mismatch=["broken"])
    assert "reusing" in accepted.apply_ok().err
    accepted.assert_no_changes()


def test_exception_is_for_one_package(accepted: Host) -> None:
    make_wheel(accepted.wheels, "broken-too", "1.0", record_lies={
        "broken_too/__init__.py": record_row("other"), "broken_too/x.py": None,
    }, files={"broken_too/x.py": ""})  # fmt: skip
    accepted.declare(["broken", "broken-too"], accept_record_mismatch=["broken"])

    failed = accepted.apply()

    assert failed.code == 81
    assert "broken_too" in failed.first["error"]["message"]
    assert 'accept-record-mismatch = ["broken-too"]' in failed.first["error"]["hint"]


ALGORITHMS = ("sha384", "sha512", "sha3_256", "blake2b")


@pytest.fixture
def strong(snapshots: Snapshots) -> Host:
    """Return a host with a wheel for each stronger hash, and one with hexadecimal digests."""

    def prepare(host: Host) -> None:
        for algorithm in ALGORITHMS:
            body = f"NAME = {algorithm!r}\n"
            digest = hashlib.new(algorithm, body.encode()).digest()
            encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            path = f"{algorithm}_wheel/__init__.py"
            make_wheel(
                host.wheels,
                f"{algorithm}-wheel",
                "1.0",
                files={path: body},
                record_lies={path: f"{algorithm}={encoded},{len(body)}"},
            )
        hexadecimal = hashlib.sha256(b"x = 1\n").hexdigest()
        make_wheel(
            host.wheels,
            "hexadecimal",
            "1.0",
            files={"hexadecimal/__init__.py": "x = 1\n"},
            record_lies={"hexadecimal/__init__.py": f"sha256={hexadecimal},6"},
        )
        host.declare([*(f"{algorithm}-wheel" for algorithm in ALGORITHMS), "hexadecimal"])
        host.apply_ok()

    return snapshots.host("strong", prepare)


def test_stronger_hash_is_verified(strong: Host) -> None:
    assert strong.run("verify", "converge.toml").code == 0
    names = sorted(strong.versions())
    body = "NAME = 'changed'\n"
    make_wheel(
        strong.wheels,
        "wrong",
        "1.0",
        files={"wrong/__init__.py": body},
        record_lies={"wrong/__init__.py": f"sha512={'A' * 86},{len(body)}"},
    )
    strong.declare([*(name.replace("_", "-") for name in names), "wrong"])

    failed = strong.apply()

    assert failed.code == 81
    assert "wrong/__init__.py` differs from its RECORD" in failed.first["error"]["message"]


def test_invalid_package_name_is_reported(host: Host) -> None:
    host.declare(["broken"], accept_record_mismatch=["broken==1.0"])

    done = host.check()

    assert done.code == 1
    assert "invalid package name `broken==1.0`" in done.out
