"""What Ansible's own test runner says of the collection."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wrappers.callers.caller import Place, clean_environment
from tests.wrappers.conftest import unavailable

# ansible-test fetches this script from a host of its own project; a closed network has the same
# pip in the interpreter or on its index. In another process, since ensurepip forgets certificates.
_BOOTSTRAP = """\
import subprocess, sys
subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True)
subprocess.run([sys.executable, "-m", "pip", "install", "pip==25.2"], check=True)
"""
_TIMES_OUT = 580


@pytest.fixture(scope="module")
def collection(
    tmp_path_factory: pytest.TempPathFactory,
    engine: Path,
    wrappers: Path,
    tool: Callable[[str], Path],
) -> Callable[..., str]:
    """Return how to run `ansible-test` on a copy of the collection, as its author would."""
    programs = tool("ansible-2.21")
    home = tmp_path_factory.mktemp("ansible-test")
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True)
    (cache / "get_pip_25_2.py").write_text(_BOOTSTRAP)
    shutil.copytree(wrappers / "ansible", home / "collections")
    folder = home / "collections" / "ansible_collections" / "converge" / "python"
    environ = clean_environment(home, programs, engine.parent)
    at = Place(folder=folder, engine=engine, wrapper=folder, environ=environ)
    at.run(["git", "init", "--quiet"])

    def run(*words: str) -> str:
        options = ["--python", "3.12", "--color", "no"]
        done = at.run(["timeout", str(_TIMES_OUT), "ansible-test", *words, *options])
        output = done.stdout + done.stderr
        if "Max retries exceeded" in output or "No matching distribution" in output:
            unavailable("ansible-test could not fetch what it tests with")
        assert done.returncode == 0, output[-6000:]
        return output

    return run


def test_every_sanity_test_that_needs_no_other_shell_is_green(
    collection: Callable[..., str],
) -> None:
    """All but those for PowerShell and the shell, of which the collection has none."""
    output = collection("sanity", "--skip-test", "pslint", "--skip-test", "shellcheck")
    assert output.count('Running sanity test "') >= 20
    assert 'Running sanity test "validate-modules"' in output


def test_the_units_of_the_collection_pass(collection: Callable[..., str]) -> None:
    """They run in an environment that ansible-test makes."""
    assert "4 passed" in collection("units", "--venv")


def test_the_integration_target_passes_on_the_engine(collection: Callable[..., str]) -> None:
    """Make, make again, foretell, remove."""
    output = collection("integration", "venv")
    assert "failed=0" in output
