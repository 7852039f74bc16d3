"""The base interpreter is never installed into, whatever goes wrong with an environment."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.integration.host import Host
from tests.integration.interpreters import fingerprint, private_interpreter

SABOTAGE = """\
import os, sys
from states.venv import bare

create = bare.create

def sabotaged(root, *arguments, **options):
    create(root, *arguments, **options)
    {act}

import states.venv.building
states.venv.building.create = sabotaged
from states.__main__ import main
sys.exit(main())
"""


def sabotaged(host: Host, act: str) -> tuple[int, str]:
    """Apply with something done to the empty environment before anything else happens."""
    program = host.write(SABOTAGE.format(act=act), "sabotage.py")
    done = subprocess.run(
        [host.program, program, "apply", "converge.toml"],
        env=host.environment(),
        cwd=host.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_an_environment_that_lost_its_configuration_is_refused_before_installing(
    stocked: Host,
) -> None:
    """A kill between `bin/python` and `pyvenv.cfg` leaves just that."""
    base = stocked.folder / "opt/python"
    stocked.python = str(private_interpreter(base))
    stocked.declare(["alpha"])
    before = fingerprint(base)

    code, said = sabotaged(stocked, 'os.unlink(os.path.join(root, "pyvenv.cfg"))')

    assert code == 1, said
    assert "is no environment of its own" in said
    assert "nothing was installed" in said
    assert fingerprint(base) == before
    assert stocked.generations() == []


def test_an_environment_whose_interpreter_is_anothers_is_refused(stocked: Host) -> None:
    base = stocked.folder / "opt/python"
    other = private_interpreter(base)
    stocked.declare(["alpha"])
    before = fingerprint(base)

    code, said = sabotaged(
        stocked,
        'os.unlink(os.path.join(root, "bin/python")); '
        f'os.symlink({str(other)!r}, os.path.join(root, "bin/python")); '
        'open(os.path.join(root, "pyvenv.cfg"), "w").close()',
    )

    assert fingerprint(base) == before
    assert code != 0 or stocked.python_says("import alpha; print('here')") == "here", said


def test_no_path_is_ever_used_again(stocked: Host) -> None:
    """An installer remembers what it once saw at a path."""
    stocked.declare(["beta"])
    seen: set[Path] = set()
    for _ in range(3):
        stocked.applied()
        assert stocked.generation not in seen
        seen.add(stocked.generation)
        stocked.declare([], state="absent")
        stocked.applied()
        assert not stocked.store.exists()
        stocked.declare(["beta"])
