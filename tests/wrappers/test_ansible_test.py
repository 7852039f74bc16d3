"""Run Ansible's own test runner on the collection."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wrappers.callers.caller import Workspace, clean_environment
from tests.wrappers.conftest import skip_unavailable

# ansible-test downloads get-pip.py from a host of its own project. Without access to that host, this
# script installs the same pip from the interpreter or the index. It runs ensurepip in a separate
# process, because ensurepip clears the variables that name certificates.
_BOOTSTRAP = """\
import subprocess, sys
subprocess.run([sys.executable, "-m", "ensurepip", "--default-pip"], check=True)
subprocess.run([sys.executable, "-m", "pip", "install", "pip==25.2"], check=True)
"""
_TIMEOUT_S = 580

pytestmark = pytest.mark.extended


@pytest.fixture(scope="module")
def collection(
    tmp_path_factory: pytest.TempPathFactory,
    executable: Path,
    wrappers: Path,
    tool: Callable[[str], Path],
) -> Callable[..., str]:
    """Return a function that runs `ansible-test` on a copy of the collection."""
    programs = tool("ansible-2.21")
    home = tmp_path_factory.mktemp("ansible-test")
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True)
    (cache / "get_pip_25_2.py").write_text(_BOOTSTRAP)
    shutil.copytree(wrappers / "ansible", home / "collections")
    directory = home / "collections" / "ansible_collections" / "converge" / "python"
    # A developer starts ansible-test, not a daemon. It refuses to run without HOME.
    environ = {**clean_environment(home, programs, executable.parent), "HOME": str(home)}
    workspace = Workspace(
        directory=directory, executable=executable, wrapper=directory, environ=environ
    )
    workspace.run(["git", "init", "--quiet"])

    def run(*arguments: str) -> str:
        options = ["--python", "3.12", "--color", "no"]
        completed = workspace.run(
            ["timeout", str(_TIMEOUT_S), "ansible-test", *arguments, *options]
        )
        output = completed.stdout + completed.stderr
        if "Max retries exceeded" in output or "No matching distribution" in output:
            skip_unavailable("ansible-test can't download its requirements")
        assert completed.returncode == 0, output[-6000:]
        return output

    return run


def test_collection_passes_the_sanity_tests(
    collection: Callable[..., str],
) -> None:
    """The test skips the checks for PowerShell and shell: the collection contains neither."""
    output = collection("sanity", "--skip-test", "pslint", "--skip-test", "shellcheck")
    assert output.count('Running sanity test "') >= 20
    assert 'Running sanity test "validate-modules"' in output


def test_collection_passes_its_unit_tests(collection: Callable[..., str]) -> None:
    """The unit tests run in an environment that ansible-test creates."""
    assert "4 passed" in collection("units", "--venv")


def test_collection_passes_its_integration_target(collection: Callable[..., str]) -> None:
    """The target creates a venv, repeats, runs in check mode, and deletes the venv."""
    output = collection("integration", "venv")
    assert "failed=0" in output
