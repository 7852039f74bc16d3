"""Errors of builds: missing requirements, also of other packages, and the output that helps."""

from __future__ import annotations

import pytest

from states.installer import build_requirements
from states.installer.build_errors import build_error, hint_for_all, shown_output

HEADER = "Failed to build `python-ldap==3.4`\n a.c:1:2: fatal error: lber.h: No such file\n"
OTHER = "Failed to build `python-ldap==3.4`\n SyntaxError: invalid syntax\n"


@pytest.fixture(autouse=True)
def bare_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the host be a Debian without headers and programs."""
    monkeypatch.setattr(build_requirements, "exists", lambda _path: False)
    monkeypatch.setattr(build_requirements, "_is_fedora_like", lambda: False)


@pytest.mark.parametrize(
    ("others", "hint"),
    [
        ([], "install libldap-dev libsasl2-dev, or provide a wheel of python-ldap"),
        (["web"], "install libldap-dev libsasl2-dev, or provide a wheel of python-ldap"),
        (
            ["systemd-python", "psycopg2", "python-ldap"],
            "install libldap-dev libsasl2-dev libsystemd-dev pkg-config libpq-dev "
            "(for python-ldap, psycopg2, systemd-python), or provide wheels",
        ),
    ],
)
def test_hint_names_all_that_is_known_to_be_missing(others: list[str], hint: str) -> None:
    """Not only the first header of the first package."""
    error = build_error(HEADER, "installing", "/nonexistent")
    assert error is not None
    assert hint_for_all(error, others) == f"{hint} through `find-links`"


def test_hint_of_another_failure_stays_as_it_is() -> None:
    error = build_error(OTHER, "installing", "/nonexistent")
    assert error is not None
    assert hint_for_all(error, ["systemd-python"]) == error.hint


def test_present_requirements_are_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    error = build_error(HEADER, "installing", "/nonexistent")
    assert error is not None
    monkeypatch.setattr(build_requirements, "exists", lambda _path: True)
    assert hint_for_all(error, ["systemd-python"]) == error.hint


def test_every_known_requirement_has_a_package() -> None:
    """So that a hint can name it."""
    providers = {*build_requirements.HEADERS, *build_requirements.PROGRAMS}
    needed = {name for names in build_requirements.PACKAGES.values() for name in names}
    assert needed <= providers


def test_output_has_no_useless_lines() -> None:
    """Such as advice for users of uv, and what the message contains already."""
    output = (
        "Using Python 3.11.2 environment at: /srv/a\n"
        "error: Failed\n"
        "hint: Build failures usually indicate a problem with the package\n"
        "  or the environment\n"
        "hint: `a` (v1) was included because `b` (v1) depends on `a`\n"
        "hint: pass `--no-build-isolation`\n"
        "last\n"
    )
    assert shown_output(output) == "error: Failed\nlast"
