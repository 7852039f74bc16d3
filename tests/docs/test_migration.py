"""The commands of the page about OpenStack-Ansible's role print the shown output."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS
from tests.docs.transcript import masked, run
from tests.integration.existing_venvs import make_seeds, with_role_steps
from tests.integration.host import PYTHON
from tests.support.index import Index
from tests.support.wheels import make_wheel

PAGE = DOCS / "how-to" / "migrate-openstack-ansible.md"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index with tiny wheels that have the names of a real service."""
    shelf = tmp_path / "shelf"
    for version in ("31.0.0", "32.0.0"):
        make_wheel(
            shelf,
            "keystone",
            version,
            requires=["oslo.config"],
            files={"keystone/conf.py": "DEBUG = False\n"},
            data={"data/etc/keystone/paste.ini": "[pipeline]\n"},
        )
    make_wheel(shelf, "oslo.config", "10.4.0")
    make_wheel(shelf, "pymysql", "1.1.3")
    make_seeds(shelf)
    with Index(shelf) as running:
        yield running


@pytest.fixture
def venv(tmp_path: Path, index: Index) -> Path:
    """A venv as the role leaves it, with an edited file and a script of the operators."""
    venv = tmp_path / "openstack" / "venvs" / "keystone-31.0.0"
    lines = ["keystone==31.0.0", "oslo.config==10.4.0", "pymysql==1.1.3"]
    with_role_steps(venv, index.directory, ["keystone", "PyMySQL"], lines)
    (site,) = venv.glob("lib/*/site-packages")
    (site / "keystone/conf.py").write_text("DEBUG = True\n")
    (venv / "etc/keystone/keystone.conf").write_text("[DEFAULT]\n")
    (venv / "bin/rotate-keys").write_text("#!/bin/sh\n")
    return venv


def test_migration_page_shows_the_output(tmp_path: Path, index: Index, venv: Path) -> None:
    stubs = tmp_path / "stubs"
    for directory in (stubs, tmp_path / "etc" / "converge", tmp_path / "work"):
        directory.mkdir(parents=True)
    (stubs / "systemctl").write_text("#!/bin/sh\n")
    (stubs / "systemctl").chmod(0o755)
    real = {
        "/openstack/": f"{tmp_path}/openstack/",
        "/etc/converge": f"{tmp_path}/etc/converge",
        "https://index.example/simple": index.url,
        "/usr/bin/python3.12": PYTHON,
    }
    page = tmp_path / "page.md"
    text = PAGE.read_text(encoding="utf-8")
    for shown, path in real.items():
        text = text.replace(shown, path)
    page.write_text(text)
    path = os.pathsep.join((str(stubs), str(tmp_path / "bin"), os.environ["PATH"]))
    env = {
        "PATH": path,
        "HOME": str(tmp_path),
        "CONVERGE_CACHE_DIR": str(tmp_path / "cache"),
        "CONVERGE_STATE_DIR": str(tmp_path / "state"),
    }
    steps = 0
    for step, output in run(page, tmp_path / "work", env, lambda content: content):
        assert masked(output) == masked(step.printed), step.command
        steps += 1
    assert steps > 10
    assert (venv / "etc/keystone/keystone.conf").read_text() == "[DEFAULT]\n"
