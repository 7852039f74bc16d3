"""A script that vanishes while a link or a command uses it stops an update before the switch."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from states.venv.preconditions.used_paths import wheel_scripts
from tests.integration.host import Host
from tests.support.command import Completed
from tests.support.index import Index
from tests.support.wheels import make_wheel

LINK = '[link."bin/serve"]\nto = "venv.app:bin/serve"\n'
MAIN = {"web/__init__.py": "def main():\n    print('serving')\n"}


def make_series(directory: Path) -> None:
    """Create two versions of `web`. Only the first has the script `serve`."""
    directory.mkdir(exist_ok=True)
    scripts = {"serve": "web:main", "manage": "web:main"}
    make_wheel(directory, "web", "1.0", files=MAIN, console_scripts=scripts)
    make_wheel(directory, "web", "2.0", files=MAIN, console_scripts={"manage": "web:main"})


@pytest.fixture
def served(host: Host) -> Host:
    """Return a host with version 1.0 of `web`, and a link to its script."""
    make_series(host.wheels)
    host.declare(["web==1.0"], more=LINK)
    host.apply_ok()
    return host


def error_of(done: Completed) -> dict[str, str]:
    """Return the error of the venv, whose link is skipped."""
    resources = {resource["address"]: resource for resource in done.report["resources"]}
    assert resources["link.bin/serve"]["outcome"] == "skipped"
    error: dict[str, str] = resources["venv.app"]["error"]
    return error


def test_vanishing_script_is_an_error_before_the_switch(served: Host) -> None:
    generation = served.generation
    served.declare(["web==2.0"], more=LINK)
    for done in (served.plan(), served.apply()):
        assert done.code == 1
        link = served.directory / "bin/serve"
        assert error_of(done)["message"] == (
            f"`bin/serve` vanishes, and the link `{link}` uses it: web 2.0 doesn't install it"
        )
    assert served.generation == generation
    assert len(served.generations()) == 1
    assert served.run_script("serve") == "serving"


def test_script_and_link_may_vanish_together(served: Host) -> None:
    served.declare(["web==2.0"], more=f'{LINK}state = "absent"\n')
    assert served.plan().code == 0
    served.apply_ok()
    assert served.versions() == {"web": "2.0"}
    assert not (served.directory / "bin/serve").is_symlink()


def test_script_may_move_to_another_package(served: Host) -> None:
    make_wheel(served.wheels, "web_serve", "1.0", files={"web_serve.py": "def main(): pass\n"},
               console_scripts={"serve": "web_serve:main"})  # fmt: skip
    served.declare(["web==2.0", "web-serve"], more=LINK)
    served.apply_ok()
    assert served.versions()["web"] == "2.0"


def test_removed_package_of_a_script_is_named(served: Host) -> None:
    make_wheel(served.wheels, "other", "1.0")
    served.declare(["other"], more=LINK)
    assert error_of(served.plan())["message"].endswith("web isn't installed")


@pytest.mark.parametrize("form", ["absolute link", "command"])
def test_absolute_paths_into_the_venv_count(host: Host, form: str) -> None:
    make_series(host.wheels)
    script = f"{host.venv}/bin/serve"
    more = {
        "absolute link": f'[link."bin/serve"]\nto = "{script}"\n',
        "command": f'[command.run]\nargv = ["{script}"]\non-change = ["venv.app"]\n',
    }[form]
    host.declare(["web==1.0"], more=more)
    host.apply_ok()
    host.declare(["web==2.0"], more=more)
    done = host.apply()
    assert done.code == 1
    assert "`bin/serve` vanishes" in done.first["error"]["message"]
    assert host.versions() == {"web": "1.0"}


def test_unknown_wheel_is_a_notice_and_stops_the_apply(
    host: Host, index: Index, tmp_path: Path
) -> None:
    """The plan doesn't download wheels of an index."""
    make_series(tmp_path / "served")
    index_keys = {"no_index": False, "index_url": index.url, "find_links": []}
    host.declare(["web==1.0"], more=LINK, **index_keys)
    host.apply_ok()
    host.declare(["web==2.0"], more=LINK, **index_keys)

    plan = host.plan()
    assert plan.code == 0
    (notice,) = (text for text in plan.report["notices"] if "vanish" in text)
    assert notice.startswith("`bin/serve` may vanish")
    assert "web 2.0 isn't downloaded yet" in notice

    done = host.apply()
    assert done.code == 1
    assert error_of(done)["message"].endswith("the new generation doesn't contain it")
    assert host.versions() == {"web": "1.0"}
    # The finished generation stays, so the next plan knows.
    assert host.plan().code == 1
    host.declare(["web==2.0"], more=f'{LINK}state = "absent"\n', **index_keys)
    host.apply_ok()
    assert host.versions() == {"web": "2.0"}


def test_path_that_never_existed_does_not_stop_the_venv(host: Host) -> None:
    make_series(host.wheels)
    host.declare(["web==2.0"], more=LINK)
    assert host.apply().code == 1
    assert host.versions() == {"web": "2.0"}


def test_update_that_keeps_the_script_succeeds(served: Host) -> None:
    make_wheel(served.wheels, "web", "1.1", files=MAIN, console_scripts={"serve": "web:main"})
    served.declare(["web==1.1"], more=LINK)
    assert not [text for text in served.plan().report["notices"] if "vanish" in text]
    served.apply_ok()
    assert served.versions() == {"web": "1.1"}


def test_scripts_of_a_wheel_are_read(tmp_path: Path) -> None:
    wheel = make_wheel(
        tmp_path, "web", "1.0", console_scripts={"A.b-c": "web:main"},
        data={"scripts/run": "#!python\n"},
    )  # fmt: skip
    assert wheel_scripts(str(wheel)) == {"bin/A.b-c", "bin/run"}


def test_damaged_wheel_is_left_to_the_installer(tmp_path: Path) -> None:
    broken, name = tmp_path / "broken.whl", "broken-1.dist-info/entry_points.txt"
    with zipfile.ZipFile(broken, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(name, "[console_scripts]\nrun = web:main\n")
    content = bytearray(broken.read_bytes())
    start = len(name) + 30  # The size of a local header.
    content[start : start + 4] = b"\xff" * 4
    for damaged in (bytes(content), b"not a wheel"):
        broken.write_bytes(damaged)
        assert wheel_scripts(str(broken)) == set()
