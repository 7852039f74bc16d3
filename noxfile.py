"""Run each test tier in a fresh environment: `nox -s unit`.

Every session installs the pinned tools of `tests/requirements.txt` and runs converge from the
source tree. A session passes its arguments on: `nox -s unit -- -k diff`.
"""

from __future__ import annotations

import nox

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")

nox.needs_version = ">=2024.3.2"
nox.options.sessions = ["lint", "types", "unit"]
nox.options.default_venv_backend = "uv|virtualenv"


def _install(session: nox.Session) -> None:
    session.install("--require-hashes", "-r", "tests/requirements.txt")


def _pytest(session: nox.Session, *arguments: str) -> None:
    _install(session)
    session.run("python", "-m", "pytest", *arguments, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, spelling, and the rules of the style guide."""
    _install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("python", "-m", "pytest", "tests/voice")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    _install(session)
    session.run("mypy", *session.posargs)


@nox.session(python=PYTHONS)
def unit(session: nox.Session) -> None:
    """Run the fast tests."""
    _pytest(session, "tests/unit", "tests/property", "tests/docs")


@nox.session(python=PYTHONS)
def integration(session: nox.Session) -> None:
    """Run the command with real uv and virtualenv, and the laws of every kind."""
    _pytest(session, "-n", "2", "--dist", "loadfile", "tests/integration", "tests/laws")


@nox.session
def crash(session: nox.Session) -> None:
    """Run a sample of the kills, failing system calls, and power failures."""
    _pytest(session, "-n", "2", "--dist", "loadfile", "tests/crash")


@nox.session
def wrappers(session: nox.Session) -> None:
    """Run all tests of the wrappers for Ansible, Salt, pyinfra, and DSC."""
    _pytest(session, "-m", "wrappers", "tests/wrappers")


@nox.session
def programs(session: nox.Session) -> None:
    """Run real services and tools across updates, and build real packages."""
    _pytest(session, "-m", "programs")


@nox.session
def docs(session: nox.Session) -> None:
    """Check that the pages match the code and that their commands work."""
    _pytest(session, "tests/docs")


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure the coverage of all tests, or of those that `--` names."""
    _install(session)
    # Two tests check the imports and the exit of a bare process, which coverage changes.
    bare = "not startup_imports_no_heavy_library and not second_signal_restores_the_terminal"
    tests = session.posargs or ["-n", "2", "--dist", "loadfile", "tests"]
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", "-k", bare, *tests)
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure run times. To run one benchmark, pass `-- --only NAME`."""
    _install(session)
    session.run("python", "-m", "tests.bench", *session.posargs)
