"""The same inputs make the same generation, however and by whomever the command is called."""

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
    """What the first of the calls made; the others must make the same."""
    return {}


@pytest.mark.parametrize(("words", "env", "umask"), CALLS.values(), ids=CALLS)
def test_nobody_can_tell_how_it_was_called(
    stocked: Host,
    expected: dict[str, object],
    words: tuple[str, ...],
    env: dict[str, str],
    umask: int,
) -> None:
    make_sdist(stocked.wheels, "source", "1.0")
    stocked.declare(["alpha", "beta<2"], more=OTHER.format(python=stocked.python))

    done = stocked.applied(*words, env=env, umask=umask)

    made = {
        "resources": [(one["address"], one["outcome"]) for one in done.report["resources"]],
        "app": content(stocked.folder / "venvs/app"),
        "other": content(stocked.folder / "venvs/other"),
    }
    assert made == (expected or made)
    expected.update(made)


def content(venv: Path) -> dict[str, tuple[object, ...]]:
    """Return the seal of a generation, freed of the one thing that must differ: its own path."""
    root = venv.resolve()
    found: dict[str, tuple[object, ...]] = {}
    for path, kind, mode, uid, gid, _, digest, package in json.loads(
        (root / ".converge/seal.json").read_bytes()
    ):
        inside = _digest(root, path) if kind == "f" else digest
        found[path] = (kind, mode, uid, gid, inside, package)
    return found


def _digest(root: Path, path: str) -> str:
    data = (root / path).read_bytes().replace(bytes(root), b"ROOT")
    if path.endswith("/uv_cache.json"):
        return "when the wheel was last touched"
    if path.endswith("/RECORD"):
        # It lists the hashes of scripts, which name their interpreter.
        rows = data.split(b"\n")
        data = b"\n".join(one for one in rows if b"/bin/" not in one and b"uv_cache" not in one)
    return hashlib.sha256(data).hexdigest()
