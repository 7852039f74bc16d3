"""The commands of the page about global installs work, in the order of the page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, blocks
from tests.docs.transcript import masked, steps
from tests.integration.global_packages import PYTHON, GlobalHost, install_five, layered_host

PAGE = DOCS / "how-to" / "global-installs.md"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[GlobalHost]:
    """Return a host with the packages of the page."""
    with layered_host(tmp_path) as host:
        install_five(host)
        yield host


def test_commands_of_the_page_work_in_order(host: GlobalHost) -> None:
    directory = host.directory
    (table,) = (b for b in blocks(PAGE, "toml") if b.mark == "file: system.toml")
    (directory / "system.toml").write_text(table.text)
    wheels = f'[defaults]\nfind-links = ["{directory}/wheels"]\nno-index = true\n\n'
    printed = {}
    for block in blocks(PAGE, "console"):
        for step in steps(block.text):
            command, _, target = step.command.removeprefix("sudo ").partition(" > ")
            done = host.converge(*shlex.split(command)[1:])
            assert done.code == 0, f"{step.command}\n{done.out}\n{done.err}"
            if target:
                (directory / target).write_text(wheels + done.out)
            if step.printed:
                assert _comparable(done.out) == _comparable(step.printed), step.command
            printed[command] = done.out
    assert "- metrics" in printed["converge plan system.toml"]
    assert "+ metrics 1.0" in printed["converge rollback system.toml global.system"]
    assert "- metrics 1.0" not in printed["converge history system.toml global.system"]
    assert host.command("/opt/venvs/tool/bin/tool") == "tool\n"
    assert host.command(PYTHON, "-B", "-c", "import metrics; print(1)") == "1\n"


def _comparable(text: str) -> str:
    """Return the output without values that differ between hosts."""
    return re.sub(r"\d+ packages of the distribution", "N packages", masked(text))
