"""A plan shows what the adoption of a directory changes. It runs none of its code."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from states.venv.adoption import files, packages
from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.integration.in_process import InProcess
from tests.support.command import reasons

SITE = "lib/python3.9/site-packages"


@pytest.fixture
def local(tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Return a host with a venv that another tool created; alpha 1.0 and gamma are in it."""
    host = Host(directory=tmp_path, cache=shared_cache)
    make_wheels(host.wheels)
    host.declare(["alpha"], adopt=True, persistent=["uploads"])
    create_venv(host)
    return InProcess(host, monkeypatch)


def create_venv(host: Host) -> None:
    settings = "home = /opt/python/bin\nversion = 3.9.2\n"
    contents = {
        "pyvenv.cfg": settings,
        "bin/activate": "",
        "bin/deploy": "",
        "bin/alpha": "",
        "var/app.db": "",
        "uploads/a.txt": "",
        f"{SITE}/__pycache__/alpha.cpython-39.pyc": "",
        f"{SITE}/alpha.py": "",
        f"{SITE}/alpha-1.0.dist-info/METADATA": "Name: Alpha\nVersion: 1.0\n",
        f"{SITE}/alpha-1.0.dist-info/RECORD": "alpha.py,,\n../../../bin/alpha,,\n",
        f"{SITE}/gamma.egg-info/PKG-INFO": "Name: gamma\nVersion: 2.0\n",
    }
    for name, content in contents.items():
        path = host.venv / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    python = host.venv / "bin/python"
    python.write_text(f"#!/bin/sh\ntouch {host.directory}/executed\n")
    python.chmod(0o755)


def test_plan_shows_old_and_new_versions_of_an_adoption(local: InProcess) -> None:
    before = local.tree()

    planned = local("plan")

    changes, why = planned.changes(), reasons(planned.first)
    assert changes["package.alpha"] == ("1.0", "1.1")
    assert changes["package.beta"] == (None, "2.0")
    assert (changes["package.gamma"], why["package.gamma"]) == (("2.0", None), "not declared")
    assert changes["python"][0] == "3.9.2 /opt/python/bin/python3.9"
    assert f"adopted backup `{local.host.store}/adopted-…`" in why["path"]
    (notice,) = [text for text in planned.report["notices"] if "won't be copied" in text]
    assert notice.startswith("`bin/deploy`, `var/app.db` won't be copied")
    assert f"adopted backup `{local.host.store}/adopted-…`" in notice
    assert local.tree() == before  # So bin/python wasn't executed.


def test_adopt_dry_run_writes_nothing_even_if_held(local: InProcess) -> None:
    local.host.declare(["alpha"])
    assert "--dry-run" in local("plan").first["error"]["hint"]
    before = local.tree()

    preview = local("adopt", "app", "--dry-run")

    assert preview.report["command"] == "plan", preview.out
    assert preview.changes()["package.alpha"] == ("1.0", "1.1")
    assert local.tree() == before

    assert local("adopt", "app").code == 0
    assert local("rollback", "app").code == 0
    assert local("adopt", "app", "--dry-run").report["changed"]
    assert not local.host.venv.is_symlink()
    assert local("adopt", "app").report["changed"]
    assert local.host.venv.is_symlink()


def plant_symlink(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def plant_endless_file(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize("plant", [plant_symlink, plant_endless_file, os.mkfifo, Path.mkdir])
def test_planted_metadata_does_not_stop_a_preview(
    local: InProcess, plant: Callable[[Path], object]
) -> None:
    info = local.host.venv / SITE / "planted-1.dist-info"
    info.mkdir()
    for name in ("METADATA", "RECORD"):
        plant(info / name)
    (local.host.venv / "pyvenv.cfg").unlink()
    plant(local.host.venv / "pyvenv.cfg")

    planned = local("plan")

    assert planned.code == 0, planned.err
    assert planned.changes()["package.alpha"] == ("1.0", "1.1")


def test_preview_of_a_huge_directory_has_limits(
    local: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_ENTRIES", 10)
    monkeypatch.setattr(packages, "MAX_PACKAGES", 1)

    planned = local("plan")

    assert "and possibly more won't be copied" in " ".join(planned.report["notices"])
    assert "package.gamma" not in planned.changes()
