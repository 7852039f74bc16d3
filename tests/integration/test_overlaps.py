"""Packages that contain the same paths with different content, as `opencv-python` and its variants.

The installer writes packages in parallel, so without a rule chance would decide.
"""

from __future__ import annotations

import pytest

from tests.integration.host import MINOR, Host
from tests.integration.snapshots import Snapshots
from tests.integration.test_reproducible import content
from tests.support.command import changes
from tests.support.projects import make_project
from tests.support.wheels import make_wheel

COUNT = 40
NAMES = ("vision", "vision-contrib", "vision-headless")
WINNER = "vision-headless"
"""The last name."""


def make_vision(host: Host, *names: str) -> None:
    """Create packages that share a module, a script, and data."""
    for name in names:
        files = {f"vis/part{number}.py": f"ORIGIN = {name!r}\n" for number in range(COUNT)}
        make_wheel(
            host.wheels,
            name,
            "1.0",
            files={**files, f"vis/only_{name.replace('-', '_')}.py": "x = 1\n"},
            console_scripts={"vis": f"vis.only_{name.replace('-', '_')}:main"},
            data={"data/etc/vis.conf": f"{name}\n"},
        )


def origins(host: Host) -> set[str]:
    """Return the packages whose shared files are installed."""
    modules = {path.read_text().split("'")[1] for path in host.site.glob("vis/part*.py")}
    script = (host.generation / "bin/vis").read_text()
    scripts = {name for name in NAMES if f"only_{name.replace('-', '_')} import" in script}
    return modules | scripts | {(host.generation / "etc/vis.conf").read_text().strip()}


@pytest.mark.parametrize("first", NAMES)
def test_last_name_wins_after_any_first_installation(host: Host, first: str) -> None:
    make_vision(host, *NAMES)
    host.declare([first])
    host.apply_ok()
    host.declare(list(NAMES))

    done = host.apply_ok()

    assert origins(host) == {WINNER}
    assert host.run("verify", "converge.toml").code == 0
    (notice,) = [text for text in done.report["notices"] if "different versions" in text]
    assert notice.startswith(f"{WINNER} and vision, vision-contrib contain")
    assert f"{COUNT + 2} files" in notice
    assert host.apply_ok().report["notices"] == [], "a run without changes"


@pytest.fixture
def vision(snapshots: Snapshots) -> Host:
    """Return a host with all packages, which were installed in parallel."""

    def prepare(host: Host) -> None:
        make_vision(host, *NAMES)
        host.declare(list(NAMES))
        host.apply_ok()

    return snapshots.host("vision", prepare)


def test_last_name_wins_in_a_new_venv(vision: Host) -> None:
    assert origins(vision) == {WINNER}


@pytest.mark.parametrize("edited", ["vis/part0.py", "vis/only_vision.py"])
def test_repair_of_an_overlap_changes_nothing_else(vision: Host, edited: str) -> None:
    host = vision
    before = content(host.venv)
    (host.site / edited).write_text("edited\n")
    plan = host.plan()
    assert set(changes(plan.first)) == {f"file.lib/{MINOR}/site-packages/{edited}", "generation"}
    assert "different versions" in plan.report["notices"][0]

    repaired = host.apply_ok()

    assert "installing 1 of 3" in repaired.err, "the other packages are copied"
    assert content(host.venv) == before
    host.assert_no_changes()


def test_removal_of_the_winner_restores_the_other_files(vision: Host) -> None:
    vision.declare(list(NAMES[:2]))

    vision.apply_ok()

    assert origins(vision) == {"vision-contrib"}
    vision.assert_no_changes()


def test_local_project_may_win(host: Host) -> None:
    make_vision(host, "vision")
    make_project(host.directory, "zoom", "1.0", files={"src/vis/part0.py": "ORIGIN = 'zoom'\n"})
    host.declare(["zoom @ ./zoom"])
    host.apply_ok()
    host.declare(["zoom @ ./zoom", "vision"])

    host.apply_ok()
    host.assert_no_changes()

    assert (host.site / "vis/part0.py").read_text() == "ORIGIN = 'zoom'\n"
    assert (host.site / "vis/part1.py").read_text() == "ORIGIN = 'vision'\n"
