"""Smoke tests run before a generation is published."""

from __future__ import annotations

from tests.integration.host import Host
from tests.integration.rooms import room


def test_generation_that_passes_is_published(stocked: Host) -> None:
    stocked.declare(["alpha"], smoke=["alpha", "python -c 'import beta'"])

    stocked.converges()


def test_generation_that_fails_is_never_published(live: Host) -> None:
    before = live.generation
    live.declare(["alpha", "beta==2.0"], smoke=["python -c 'import no_such_module'"])

    first, second = live.apply(), live.apply()

    for failed in (first, second):
        assert failed.code == 1
        assert "failed with status 1 in the new generation" in failed.first["error"]["message"]
        assert "no_such_module" in failed.first["error"]["output"]
    assert live.generation == before
    assert live.generations() == [before.name]
    assert live.script("alpha") == "alpha 1.1"


def test_missing_command_is_reported(live: Host) -> None:
    live.declare(["alpha", "beta==2.0"], smoke=["no-such-command --version"])

    failed = live.apply()

    assert failed.code == 1
    assert "there is no `no-such-command`" in failed.first["error"]["message"]
    assert "name a script" in failed.first["error"]["hint"]


def test_noexec_file_system_is_reported(stocked: Host) -> None:
    stocked.declare(["alpha==1.0"], smoke=["alpha"])
    venvs = stocked.venv.parent
    venvs.mkdir()
    script = f"mount -t tmpfs -o noexec,mode=0755 none '{venvs}'"
    with room(script, stocked.folder) as inside:
        failed = stocked.apply(prefix=inside)

    assert failed.code == 77
    assert failed.first["error"]["message"].startswith("`alpha` cannot be tried: Permission denied")
    assert "noexec" in failed.first["error"]["hint"]


def test_changed_smoke_test_builds_nothing(live: Host) -> None:
    before = live.generation
    live.declare(["alpha", "beta<2"], smoke=["alpha"])

    assert not live.applied().report["changed"]
    assert live.generation == before


def test_smoke_test_doesnt_inherit_the_environment(stocked: Host) -> None:
    program = "import os, sys; sys.exit('CANARY' in os.environ)"
    stocked.env = {"CANARY": "1"}
    stocked.declare(["alpha"], smoke=[f'python -c "{program}"'])

    stocked.applied()
