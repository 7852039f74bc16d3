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


@pytest.mark.parametrize(
    ("output", "program"),
    [
        ("error: command '/opt/bin/nasm' failed: No such file or directory", "nasm"),
        (
            "unable to execute 'x86_64-linux-gnu-gfortran': No such file",
            "x86_64-linux-gnu-gfortran",
        ),
        ("/bin/sh: 1: bison: not found", "bison"),
        ("make: m4: No such file or directory", "m4"),
        ("meson.build:3:0: ERROR: Program 'flex' not found or not executable", "flex"),
        ('ERROR: Dependency "libfoo" not found, tried pkgconfig and cmake', "libfoo"),
        ("No package 'libbar-2.0' found", "libbar-2.0"),
        ("error: can't find Rust compiler", "rustc"),
        ("Cargo, the Rust package manager, is not installed or is not on PATH.", "cargo"),
        ("ERROR: Unknown compiler(s): [['cc'], ['gcc'], ['clang']]", "gcc"),
        ("RuntimeError: CMake must be installed to build", "cmake"),
    ],
)
def test_tool_of_any_name_is_recognized(output: str, program: str) -> None:
    assert missing_requirements(output).programs == (program,)


@pytest.mark.parametrize(
    "output",
    [
        "FileNotFoundError: [Errno 2] No such file or directory: 'README.md'",
        "FileNotFoundError: [Errno 2] No such file or directory: 'version'",
        "ModuleNotFoundError: No module named 'pkg_resources'",
        "LookupError: package not found",
    ],
)
def test_missing_data_is_not_a_tool(output: str) -> None:
    missing = missing_requirements(output)
    assert (missing.headers, missing.programs) == ((), ())
