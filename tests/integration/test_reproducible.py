"""The same inputs produce the same generation, independent of the caller's environment."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.support.wheels import make_sdist

OTHER = """
[venv.other]
path = "venvs/other"
python = "{python}"
packages = ["source", "alpha"]
find-links = ["wheels"]
no-index = true
"""

CALLS: dict[str, tuple[tuple[str, ...], dict[str, str], int]] = {
    "one job": (("--jobs", "1"), {}, 0o022),
    "eight jobs": (("--jobs", "8"), {}, 0o022),
    "umask 000": ((), {}, 0o000),
    "umask 077": ((), {}, 0o077),
    "another locale": ((), {"LANG": "C", "LC_ALL": "POSIX"}, 0o022),
    "another time zone": ((), {"TZ": "Pacific/Chatham"}, 0o022),
    "another hash seed": ((), {"PYTHONHASHSEED": "4711"}, 0o022),
}


@pytest.fixture(scope="module")
def expected() -> dict[str, object]:
    """Return a dictionary that the first case fills, and that the other cases must match."""
    return {}


@pytest.mark.parametrize(("arguments", "env", "umask"), CALLS.values(), ids=CALLS)
def test_generation_content_doesnt_depend_on_the_caller(
    host_with_wheels: Host,
    expected: dict[str, object],
    arguments: tuple[str, ...],
    env: dict[str, str],
    umask: int,
) -> None:
    make_sdist(host_with_wheels.wheels, "source", "1.0")
    host_with_wheels.declare(["alpha", "beta<2"], more=OTHER.format(python=host_with_wheels.python))

    done = host_with_wheels.apply_ok(*arguments, env=env, umask=umask)

    actual = {
        "resources": [
            (resource["address"], resource["outcome"]) for resource in done.report["resources"]
        ],
        "app": content(host_with_wheels.directory / "venvs/app"),
        "other": content(host_with_wheels.directory / "venvs/other"),
    }
    assert actual == (expected or actual)
    expected.update(actual)


def content(venv: Path) -> dict[str, tuple[object, ...]]:
    """Return the manifest of a generation, without the generation's own path."""
    root = venv.resolve()
    entries: dict[str, tuple[object, ...]] = {}
    for path, kind, mode, uid, gid, _, digest, package in json.loads(
        (root / ".converge/manifest.json").read_bytes()
    ):
        value = _digest(root, path) if kind == "f" else digest
        entries[path] = (kind, mode, uid, gid, value, package)
    return entries


def _digest(root: Path, path: str) -> str:
    data = (root / path).read_bytes().replace(bytes(root), b"ROOT")
    if path.endswith("/uv_cache.json"):
        return "modification time of the wheel"
    if path.endswith("/RECORD"):
        # It contains hashes of scripts, whose first line contains the generation's path.
        rows = data.split(b"\n")
        data = b"\n".join(row for row in rows if b"/bin/" not in row and b"uv_cache" not in row)
    return hashlib.sha256(data).hexdigest()
