"""A new generation takes what is the same from those that are there, and only what is sound."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.value import replace
from states.venv import receipt as receipts
from states.venv import seal as seals
from tests.integration.host import MINOR, Host
from tests.integration.rooms import NOBODY
from tests.support import backend
from tests.support.wheels import make_project, make_wheel, record_row

MODULE = f"lib/{MINOR}/site-packages/beta/__init__.py"
RECORD = f"lib/{MINOR}/site-packages/beta-1.0.dist-info/RECORD"
POISON = '__version__ = "poisoned"\n'


def declare_two(host: Host, **keys: object) -> None:
    """Declare one more environment with the same packages."""
    host.declare(
        ["beta<2"],
        f'[venv.other]\npath = "venvs/other"\npython = "{host.python}"\npackages = ["beta<2"]\n'
        'find-links = ["wheels"]\nno-index = true\n',
        **keys,
    )


def version_of_other(host: Host) -> str:
    return (host.folder / "venvs/other" / MODULE).read_text()


def forge(generation: Path) -> None:
    """Change a module, with a RECORD, a seal and a receipt to match."""
    root = str(generation)
    receipt = receipts.read(root)
    assert receipt is not None
    seal = seals.load(root, receipt.seal)
    assert seal is not None
    (generation / RECORD).write_text(
        (generation / RECORD)
        .read_text()
        .replace(record_row((generation / MODULE).read_text()), record_row(POISON))
    )
    (generation / MODULE).write_text(POISON)
    for path in (MODULE, RECORD):
        seal[path] = seals.entry(root, path, seal[path].package)
    dumped = seals.dump(seal)
    (generation / ".converge/seal.json").write_bytes(dumped)
    packages = tuple(replace(one, record="") for one in receipt.packages)
    receipts.write(replace(receipt, seal=receipts.sha256(dumped), packages=packages), root)


def test_what_is_the_same_in_another_environment_is_taken(stocked: Host) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    declare_two(stocked)

    done = stocked.applied()

    assert "taking from" in done.err
    assert "installing" not in done.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("theirs", [".", ".converge"])
def test_what_another_user_can_say_of_an_environment_is_not_believed(
    stocked: Host, theirs: str
) -> None:
    stocked.declare(["beta<2"])
    stocked.applied()
    os.chown(stocked.generation / theirs, NOBODY, NOBODY)
    forge(stocked.generation)
    declare_two(stocked)

    done = stocked.apply()

    assert done.resource("venv.other")["outcome"] == "changed"
    assert version_of_other(stocked) == '__version__ = "1.0"\n'


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_an_owner_left_as_it_was_is_taken_and_nothing_else(stocked: Host) -> None:
    stocked.declare(["beta<2"], owner="nobody")
    stocked.applied()
    declare_two(stocked, owner="nobody")
    assert "installing" not in stocked.applied().err
    (stocked.generation / MODULE).write_text(POISON)
    (stocked.folder / "venvs/other").unlink()
    (stocked.folder / "venvs/.other").rename(stocked.folder / "away")

    done = stocked.applied()

    assert version_of_other(stocked) == '__version__ = "1.0"\n'
    assert stocked.python_says("import beta; print(beta.__version__)") == "1.0"
    assert "taking from" in done.err


@pytest.mark.parametrize("key", ["persistent", "ignore"])
def test_a_package_whose_files_are_not_all_sealed_comes_from_the_cache(
    stocked: Host, key: str
) -> None:
    make_wheel(stocked.wheels, "service", "1.0", data={"data/etc/service/service.conf": "x"})
    folder = {"persistent": "etc/service", "ignore": "etc/service/*"}[key]
    stocked.declare(["service", "beta<2"], **{key: [folder]})
    stocked.applied()
    stocked.declare(["service", "beta<2", "gamma"], **{key: [folder]})

    done = stocked.applied()

    assert "fetching anew" not in done.err
    assert "taking from" in done.err
    assert "installing 2 of 3 packages" in done.err
    assert (stocked.venv / "etc/service/service.conf").read_text() == "x"


def test_a_package_that_carries_another_in_itself_is_taken_whole(stocked: Host) -> None:
    """As setuptools does: what that one's RECORD lists was left out, and is missed by nobody."""
    inside = "service/_vendor/old-1.0.dist-info"
    files = {
        f"{inside}/METADATA": "Name: old\nVersion: 1.0\n",
        f"{inside}/RECORD": "../bin/old,,\n",
    }
    make_wheel(stocked.wheels, "service", "1.0", files=files)
    stocked.declare(["service", "beta<2"])
    stocked.applied()
    stocked.declare(["service", "beta<2", "gamma"])

    done = stocked.applied()

    assert "installing 1 of 3 packages" in done.err
    assert (stocked.site / inside / "RECORD").is_file()


NEVER_THE_SAME = """
import time

_usual = _wheel


def _wheel(directory, sources):
    made = f"WHEN = {time.time_ns()}\\n".encode()
    return _usual(directory, {**sources, "tool/built.py": made})
"""


def test_a_project_that_is_built_anew_is_taken_as_it_was_built(stocked: Host) -> None:
    """The installer builds it for a newer time of a file alone, and no build is as another."""
    built = Path(backend.__file__).read_text() + NEVER_THE_SAME
    project = make_project(stocked.folder, "tool", "1.0", files={"_build/backend.py": built})
    stocked.declare(["tool @ ./tool"])
    stocked.applied()
    os.utime(project / "pyproject.toml")
    stocked.declare(["tool @ ./tool", "beta<2"])

    done = stocked.applied()

    assert "fetching anew" not in done.err
    source = (stocked.site / "tool/built.py").read_text()
    assert stocked.python_says("from tool import built; print('WHEN =', built.WHEN)") == source[:-1]
    assert list((stocked.site / "tool/__pycache__").glob("built.*.pyc"))
    assert stocked.run("verify", "converge.toml").code == 0
    stocked.settled()
