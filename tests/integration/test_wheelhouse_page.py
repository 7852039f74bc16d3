"""The commands and declarations of the page about wheelhouses work as shown."""

from __future__ import annotations

import os
import pwd
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks
from tests.integration.host import Host
from tests.integration.test_wheelhouse_builds import public_host
from tests.support.index import Index
from tests.support.projects import make_sdist
from tests.support.static_server import StaticServer
from tests.support.wheels import make_wheel

__all__ = ["public_host"]
PAGE = DOCS / "how-to" / "wheelhouse.md"


def page_file(name: str, host: Host, url: str) -> str:
    """Return a declaration of the page, with paths, interpreters, and the URL of the test."""
    (text,) = [block.text for block in blocks(PAGE, "toml") if block.mark == f"file: {name}"]
    text = text.replace("/openstack", f"{host.directory}/openstack")
    text = text.replace("/srv/wheels", f"{host.directory}/wheelhouse/wheels")
    text = text.replace("https://wheels.example", url)
    return re.sub(r"pythons = .*", f'pythons = ["{host.python}"]', text)


def commands() -> list[list[str]]:
    """Return the arguments of each command on the page, in order."""
    rows = [row for block in blocks(PAGE, "console") for row in block.text.splitlines()]
    return [shlex.split(row.removeprefix("$ converge ")) for row in rows if row.startswith("$ ")]


@pytest.mark.skipif(os.geteuid() != 0, reason="the page uses a build user")
def test_page_commands_succeed_in_order(public_host: Host) -> None:
    """The build host publishes, a target installs without an index, and gc deletes old wheels."""
    host = public_host
    assert pwd.getpwnam("nobody")
    make_wheel(host.wheels, "keystone", "29.0.2", requires=["oslo-log"])
    make_wheel(host.wheels, "oslo-log", "1.0")
    make_wheel(host.wheels, "nova", "33.0.2", requires=["oslo-log"])
    make_sdist(host.wheels, "uwsgi", "2.0")
    host.write("oslo.log===1.0\n", "upper-constraints.txt")
    published = host.directory / "wheelhouse/wheels"
    with Index(host.wheels) as index, StaticServer(published, negotiates=True) as server:
        index_url = f'[defaults]\nindex-url = "{index.url}"\n'
        host.write(index_url + page_file("site.toml", host, server.url), "site.toml")
        python = f'[defaults]\npython = "{host.python}"\n'
        host.write(python + page_file("target.toml", host, server.url), "target.toml")
        shown = commands()
        assert [arguments[0] for arguments in shown] == [
            *("plan", "apply", "check", "plan", "apply", "gc", "gc")
        ]
        for arguments in shown:
            if "target.toml" in arguments:
                # As configuration management does. The target has no index.
                lock = published / "locks/pylock.keystone.toml"
                shutil.copy(lock, host.directory)
                index.down = True
            done = host.run(*arguments)
            assert done.code == 0, (arguments, done.out + done.err)
    script = Path(os.path.realpath(host.directory / "openstack/venvs/keystone"))
    assert len([*script.glob("lib/*/site-packages/*.dist-info")]) == 3
