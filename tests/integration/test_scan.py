"""`scan` reports each package outside of venvs on a host with real dpkg, pip, and uv."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli

from tests.integration.global_packages import (
    HOME,
    PYTHON,
    SCRIPT,
    UNIT,
    GlobalHost,
    install_seven,
    layered_host,
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GlobalHost]:
    """Return the host with the seven packages. The tests only read it."""
    with layered_host(tmp_path_factory.mktemp("scan")) as host:
        install_seven(host)
        host.write(f"{host.site()}/stray.py", "")
        yield host


@pytest.fixture(scope="module")
def document(host: GlobalHost) -> dict[str, Any]:
    """Return what `scan --json` prints for the host's interpreter."""
    done = host.converge("scan", PYTHON, "--json")
    assert done.code == 0, done.err
    document: dict[str, Any] = json.loads(done.out)
    return document


@pytest.fixture(scope="module")
def packages(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the packages outside of venvs by name, and `owned` of the distribution."""
    (interpreter,) = document["interpreters"]
    rows = interpreter["packages"]
    return {row["name"]: row for row in rows if not row["owner"] or row["name"] == "owned"}


def test_each_package_is_reported_with_its_installer(packages: dict[str, dict[str, Any]]) -> None:
    reported = {
        name: (row["version"], row["installer"], row["owner"]) for name, row in packages.items()
    }
    assert reported == {
        "shadow": ("2.0", "pip", None),
        "metrics": ("1.0", "pip", None),
        "editable": ("1.0", "pip", None),
        "personal": ("1.0", "pip", None),
        "tool": ("1.0", "uv", None),
        "library": ("1.0", "uv", None),
        "owned": ("1.0", "setup.py", "python3-owned"),
    }


def test_hidden_package_of_the_distribution_is_named(packages: dict[str, dict[str, Any]]) -> None:
    (shadow,) = packages["shadow"]["shadows"]
    assert (shadow["name"], shadow["version"], shadow["owner"]) == (
        "shadow",
        "1.0",
        "python3-shadow",
    )
    assert shadow["path"] == "/usr/lib/python3/dist-packages/shadow"
    assert not packages["metrics"]["shadows"]


def test_script_of_the_distribution_that_imports_it_is_named(
    packages: dict[str, dict[str, Any]],
) -> None:
    (use,) = packages["shadow"]["used_by"]
    assert (use["kind"], use["path"], use["how"]) == ("script", "/usr/bin/owned", "imports")


def test_unit_that_imports_a_package_is_named(packages: dict[str, dict[str, Any]]) -> None:
    (use,) = packages["metrics"]["used_by"]
    assert (use["kind"], use["path"], use["names"]) == ("unit", UNIT, ["metrics"])


def test_unit_that_starts_a_program_is_named(host: GlobalHost) -> None:
    unit = "/run/systemd/system/tool.service"
    host.write(unit, "[Service]\nExecStart=/usr/bin/env tool --serve\n")
    document = json.loads(host.converge("scan", PYTHON, "--json").out)
    host.command("rm", unit)
    rows = document["interpreters"][0]["packages"]
    (tool,) = (row for row in rows if row["name"] == "tool")
    (use,) = tool["used_by"]
    assert (use["path"], use["how"], use["names"]) == (unit, "starts", ["/usr/local/bin/tool"])


def test_editable_install_names_its_project(packages: dict[str, dict[str, Any]]) -> None:
    assert packages["editable"]["editable"] == "/opt/editable"
    assert "editable @ file:///opt/editable" in packages["editable"]["declaration"]


def test_package_in_a_user_site_names_its_user(packages: dict[str, dict[str, Any]]) -> None:
    assert packages["personal"]["user"] == "ann"
    assert packages["personal"]["directory"].startswith(f"{HOME}/.local/lib/")
    assert {row["user"] for name, row in packages.items() if name != "personal"} == {None}


def test_entry_of_no_package_is_reported(document: dict[str, Any]) -> None:
    (stray,) = document["interpreters"][0]["stray"]
    assert stray.endswith("/dist-packages/stray.py")


def test_declaration_contains_each_application_once(document: dict[str, Any]) -> None:
    venvs = tomli.loads(document["declaration"])["venv"]
    packages = {name: table["packages"] for name, table in venvs.items()}
    assert packages == {
        "editable": ["editable @ file:///opt/editable"],
        "metrics": ["metrics==1.0"],
        "personal": ["personal==1.0"],
        "shadow": ["shadow==2.0"],
        "tool": ["tool==1.0", "library==1.0"],
    }
    assert UNIT in document["declaration"]


def test_declaration_is_valid_and_can_be_applied(host: GlobalHost, tmp_path: Path) -> None:
    declaration = host.converge("scan", PYTHON, "--declaration").out
    file = host.directory / "moved.toml"
    wheels = f'[defaults]\nfind-links = ["{host.directory}/wheels"]\nno-index = true\n\n'
    file.write_text(wheels + declaration.replace("/opt/venvs", str(host.directory / "venvs")))
    applied = host.converge("apply", file)
    assert applied.code == 0, applied.out + applied.err
    assert host.command(host.directory / "venvs/tool/bin/tool") == "tool\n"
    assert host.command(host.directory / "venvs/metrics/bin/python", SCRIPT) == "1.0\n"


def test_scan_writes_nothing_and_runs_no_package(host: GlobalHost) -> None:
    trap = f"{host.site()}/trap.pth"
    host.write(trap, "import os; os.mkdir('/opt/trapped')")
    host.command("touch", "/opt/before")
    done = host.converge("scan", "--json")
    changed = host.command("find", "/usr", "/etc", "/home", "/opt", "-newer", "/opt/before")
    host.command("rm", trap)
    assert done.code == 0, done.err
    assert changed == ""


def test_text_names_hidden_copies_and_units(host: GlobalHost) -> None:
    text = host.converge("scan", PYTHON).out
    assert "hides shadow 1.0 of python3-shadow" in text
    assert f"imported by the unit {UNIT}" in text
    assert "only for the user ann" in text
    assert "6 packages outside of venvs" in text
    assert "owned" not in text.replace("/usr/bin/owned", "")
    assert "owned" in host.converge("scan", PYTHON, "--verbose").out.replace("/usr/bin/owned", "")


def test_directory_that_a_user_cannot_read_is_reported(host: GlobalHost) -> None:
    host.command("chmod", "0700", HOME)
    as_daemon = GlobalHost([*host.prefix, "setpriv", "--reuid=1", "--clear-groups"], Path("/"))
    done = as_daemon.converge("scan", PYTHON, "--json", cwd=Path("/"))
    host.command("chmod", "0755", HOME)
    document = json.loads(done.out)
    assert done.code == 0, done.err
    assert [row["name"] for row in document["interpreters"][0]["packages"] if row["user"]] == []
    assert any(entry["path"].startswith(HOME) for entry in document["unreadable"])
