"""Smoke tests run before a generation is published."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.integration.host import Host
from tests.integration.mount_namespaces import mount_namespace


def test_generation_that_passes_is_published(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["alpha"], smoke=["alpha", "python -c 'import beta'"])

    host_with_wheels.assert_converges()


def test_generation_that_fails_is_never_published(applied_host: Host) -> None:
    before = applied_host.generation
    applied_host.declare(["alpha", "beta==2.0"], smoke=["python -c 'import no_such_module'"])

    first, second = applied_host.apply(), applied_host.apply()

    for failed in (first, second):
        assert failed.code == 1
        assert "failed with status 1" in failed.first["error"]["message"]
        assert "no_such_module" in failed.first["error"]["output"]
    assert applied_host.generation == before
    assert applied_host.generations() == [before.name]
    assert applied_host.run_script("alpha") == "alpha 1.1"


def test_missing_command_is_reported(applied_host: Host) -> None:
    applied_host.declare(["alpha", "beta==2.0"], smoke=["no-such-command --version"])

    failed = applied_host.apply()

    assert failed.code == 1
    assert "no program `no-such-command`" in failed.first["error"]["message"]
    assert "use a script" in failed.first["error"]["hint"]


def test_noexec_file_system_is_reported(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["alpha==1.0"], smoke=["alpha"])
    venvs = host_with_wheels.venv.parent
    venvs.mkdir()
    script = f"mount -t tmpfs -o noexec,mode=0755 none '{venvs}'"
    with mount_namespace(script, host_with_wheels.directory) as prefix:
        failed = host_with_wheels.apply(prefix=prefix)

    assert failed.code == 77
    assert failed.first["error"]["message"].startswith("smoke test `alpha`: permission denied")
    assert "noexec" in failed.first["error"]["hint"]


def test_changed_smoke_test_builds_nothing(applied_host: Host) -> None:
    before = applied_host.generation
    applied_host.declare(["alpha", "beta<2"], smoke=["alpha"])

    assert not applied_host.apply_ok().report["changed"]
    assert applied_host.generation == before


def test_smoke_test_doesnt_inherit_the_environment(host_with_wheels: Host) -> None:
    program = "import os, sys; sys.exit('CANARY' in os.environ)"
    host_with_wheels.env = {"CANARY": "1"}
    host_with_wheels.declare(["alpha"], smoke=[f'python -c "{program}"'])

    host_with_wheels.apply_ok()


def test_processes_that_a_smoke_test_starts_block_nothing(host_with_wheels: Host) -> None:
    """They end with it. One that hides itself holds neither the lock nor the generation."""
    host = host_with_wheels
    program = (
        "import os, time; os.fork() and os._exit(0); os.setsid(); os.closerange(0, 99); "
        f"open('{host.directory}/daemon', 'w').write(str(os.getpid())); time.sleep(300)"
    )
    clean = f"env -i setsid sh -c 'echo $$ > {host.directory}/hidden; exec sleep 300'"
    host.declare(
        ["alpha"],
        smoke=[
            f'python -c "{program}"',
            f'sh -c "setsid sleep 300 & echo $! > {host.directory}/shell"',
            f'sh -c "{clean} > /dev/null 2>&1 & sleep 0.3"',
        ],
    )
    host.apply_ok()
    hidden, *others = (
        int((host.directory / name).read_text()) for name in ("hidden", "daemon", "shell")
    )

    host.declare(["alpha", "beta<2"], keep=0)
    second = host.apply("--lock-timeout", "0")
    alive = [pid for pid in others if Path(f"/proc/{pid}").exists()]
    os.kill(hidden, signal.SIGKILL)

    assert second.code == 0, second.err
    assert alive == []
    assert len(host.generations()) == 1
