"""The release of a rollout: one declaration and one lockfile for all hosts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from tests.support.wheels import make_wheel
from tests.wrappers.callers.caller import Workspace
from tests.wrappers.fleet.network import Host
from tests.wrappers.fleet.services import WheelServer
from tests.wrappers.sources import PYTHON

_MEGABYTE = 1 << 20


def make_release(wheels: Path) -> None:
    """Write the wheels of two releases. `heavy` is large, so a throttled host takes seconds for it."""
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "app", version, requires=["heavy"], console_scripts={"app": "app:run"})
    make_wheel(
        wheels, "heavy", "1.0", files={"heavy/data.bin": bytes(range(256)) * (8 * _MEGABYTE // 256)}
    )


def write_declaration(workspace: Workspace, server: WheelServer, version: str) -> tuple[Path, Path]:
    """Write the declaration of a release, and lock it with the command; return both paths."""
    declared = workspace.directory / "app.toml"
    table = {
        "path": "/srv/venvs/app",
        "python": PYTHON,
        "packages": [f"app=={version}"],
        "find-links": [server.url],
        "no-index": True,
    }
    unlocked = workspace.directory / "unlocked.toml"
    unlocked.write_text("[venv.app]\n" + "".join(_line(key, value) for key, value in table.items()))
    arguments: list[str | Path] = [
        "ip",
        "netns",
        "exec",
        server.controller.namespace,
        workspace.executable,
        "lock",
        unlocked,
    ]
    completed = workspace.run([*arguments, "--upgrade"])
    assert completed.returncode == 0, completed.stdout + completed.stderr
    [lock] = workspace.directory.glob("*pylock*.toml")
    locked = {key: table[key] for key in ("path", "python")} | {"lock": f"/srv/etc/{lock.name}"}
    declared.write_text(
        "[venv.app]\n" + "".join(_line(key, value) for key, value in locked.items())
    )
    return declared, lock


def _line(key: str, value: object) -> str:
    return f"{key} = {json.dumps(value)}\n"


def live_generation(host: Host) -> Path | None:
    """Return the path of the live generation on the host's disk, outside the namespace."""
    link = host.disk / "venvs" / "app"
    if not link.is_symlink():
        return None
    target = link.readlink()
    inside = target if not target.is_absolute() else Path("venvs", target.relative_to("/srv/venvs"))
    return link.parent / inside if not target.is_absolute() else host.disk / inside


def installed_digest(host: Host) -> str:
    """Return a digest of the names and contents of all installed files on the host."""
    generation = live_generation(host)
    assert generation is not None, f"{host.name} has no environment"
    [packages] = generation.glob("lib/python*/site-packages")
    digest = hashlib.sha256()
    for path in sorted(packages.rglob("*")):
        # Bytecode and the RECORDs of scripts contain the path of the generation.
        if (
            path.is_file()
            and path.suffix != ".pyc"
            and path.name not in ("RECORD", "direct_url.json")
        ):
            digest.update(str(path.relative_to(packages)).encode() + path.read_bytes())
    return digest.hexdigest()


def restart_count(host: Host) -> int:
    """Return the number of service restarts on the host."""
    log = host.disk / "restarts"
    return len(log.read_text().splitlines()) if log.exists() else 0
