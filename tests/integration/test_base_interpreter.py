"""converge never installs into the base interpreter, even if a new environment is broken."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.integration.host import Host
from tests.integration.interpreters import fingerprint, private_interpreter

PROGRAM = """\
import os, sys
from states.venv.build import build

create_base = build.create_base

def create_damaged(draft):
    create_base(draft)
    root = draft.root
    {damage}

build.create_base = create_damaged
from states.__main__ import main
sys.exit(main())
"""


def apply_damaged(host: Host, damage: str) -> tuple[int, str]:
    """Run `apply` with `damage` done to the new environment before packages are installed."""
    program = host.write(PROGRAM.format(damage=damage), "damaged.py")
    process = subprocess.run(
        [host.program, program, "apply", "converge.toml"],
        env=host.environment(),
        cwd=host.directory,
        capture_output=True,
        text=True,
        check=False,
    )
    return process.returncode, process.stdout + process.stderr


def test_environment_without_pyvenv_cfg_is_refused(
    host_with_wheels: Host,
) -> None:
    """A kill after creating `bin/python` and before `pyvenv.cfg` leaves this state."""
    base = host_with_wheels.directory / "opt/python"
    host_with_wheels.python = str(private_interpreter(base))
    host_with_wheels.declare(["alpha"])
    before = fingerprint(base)

    code, output = apply_damaged(host_with_wheels, 'os.unlink(os.path.join(root, "pyvenv.cfg"))')

    assert code == 1, output
    assert "broken environment" in output
    assert "nothing was installed" in output
    assert fingerprint(base) == before
    assert not host_with_wheels.store.exists()


def test_environment_with_wrong_interpreter_is_refused(host_with_wheels: Host) -> None:
    base = host_with_wheels.directory / "opt/python"
    other = private_interpreter(base)
    host_with_wheels.declare(["alpha"])
    before = fingerprint(base)

    code, output = apply_damaged(
        host_with_wheels,
        'os.unlink(os.path.join(root, "bin/python")); '
        f'os.symlink({str(other)!r}, os.path.join(root, "bin/python")); '
        'open(os.path.join(root, "pyvenv.cfg"), "w").close()',
    )

    assert fingerprint(base) == before
    assert (
        code != 0 or host_with_wheels.run_python("import alpha; print('imported')") == "imported"
    ), output


def test_generation_path_is_never_reused(host_with_wheels: Host) -> None:
    """Installers cache what they found at a path."""
    host_with_wheels.declare(["beta"])
    seen: set[Path] = set()
    for _ in range(3):
        host_with_wheels.apply_ok()
        assert host_with_wheels.generation not in seen
        seen.add(host_with_wheels.generation)
        host_with_wheels.declare([], state="absent")
        host_with_wheels.apply_ok()
        assert not host_with_wheels.store.exists()
        host_with_wheels.declare(["beta"])
