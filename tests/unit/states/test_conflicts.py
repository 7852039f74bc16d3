"""Whether two requirements contradict each other."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.markers import default_environment

from states.installer.build_requirements import missing_requirements
from states.venv.resolve.diagnosis.conflicts import find_contradiction
from states.venv.resolve.requirements import declared_lines

ENVIRONMENT = dict[str, Any](default_environment())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("web==1.0", "web>=2"),
        ("web==1.0", "web==1.1"),
        ("web==1.*", "web>=2"),
        ("web<2", "web>=2"),
        ("web<2", "web>=2.0rc1"),
        ("web~=1.4", "web>=2"),
        ("Web>3", "web<3"),
        ("web===1.0", "web==1.1"),
    ],
)
def test_contradiction_is_found(first: str, second: str) -> None:
    assert find_contradiction(declared_lines([first, second]), [ENVIRONMENT]) is not None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("web==1.0", "web>=1"),
        ("web==1.0+local", "web>=1"),
        ("web>1.9.9", "web<1.9.10"),
        ("web>1", "web<1.1"),
        ("web>=1,!=1", "web<1.1"),
        ("web>=2.0rc1", "web<=2"),
        ("web", "web==1"),
        ("web==1; python_version < '3'", "web==2"),
        ("web==1", "api==2"),
        ("web @ https://example.org/web-1.whl", "web>=2"),
        ("web===unusual", "web"),
    ],
)
def test_compatible_requirements_are_not_a_contradiction(first: str, second: str) -> None:
    assert find_contradiction(declared_lines([first, second]), [ENVIRONMENT]) is None


@pytest.mark.parametrize(
    ("output", "headers", "programs"),
    [
        ("a.c:1:10: fatal error: lber.h: No such file or directory", ("lber.h",), ()),
        ("a.c:1:10: fatal error: 'Python.h' file not found", ("Python.h",), ()),
        ("error: command 'gcc' failed: No such file or directory", (), ("gcc",)),
        ("Error: pg_config executable not found.", (), ("pg_config",)),
        ("/bin/sh: 1: mysql_config: not found", (), ("mysql_config",)),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'cmake'", (), ("cmake",)),
        ("Package 'libsystemd', required by 'virtual:world', not found", (), ("libsystemd",)),
        ("Package libsystemd was not found in the pkg-config search path.", (), ("libsystemd",)),
        ("No package 'libvirt' found", (), ("libvirt",)),
        ("Please make sure the libxml2 and libxslt development packages", (), ("libxml2",)),
        ("x.c:1: error: unknown type", (), ()),
    ],
)
def test_missing_build_requirements_are_recognized(
    output: str, headers: tuple[str, ...], programs: tuple[str, ...]
) -> None:
    missing = missing_requirements(output)
    assert (missing.headers, missing.programs) == (headers, programs)
    assert bool(missing.packages) == bool(headers or programs)
