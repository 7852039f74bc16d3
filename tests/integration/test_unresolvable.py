"""A failed resolution or build names its cause, and where it was declared."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest

from states.distribution.databases import database_stats, find_manager
from states.installer.build_requirements import HEADERS, missing_requirements
from tests.integration.host import Host
from tests.integration.mount_namespaces import mount_namespace
from tests.support.command import Completed
from tests.support.wheels import make_sdist, make_wheel

compiler_only = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


def error_of(plan: Completed) -> dict[str, Any]:
    assert plan.code == 1, plan.out + plan.err
    error: dict[str, Any] = plan.first["error"]
    return error


def test_contradiction_names_both_places(host_with_wheels: Host) -> None:
    requirements = host_with_wheels.write("# ours\ngamma\nbeta>=2\n", "r.txt")
    declaration = host_with_wheels.declare(["alpha", "beta==1.0"], requirements=["r.txt"])

    error = error_of(host_with_wheels.plan())

    assert error["message"] == "no version of `beta` satisfies both `beta==1.0` and `beta>=2`"
    assert error["output"].splitlines() == [
        f"beta==1.0  {declaration}:4, `packages`",
        f"beta>=2    {requirements}:3",
    ]
    assert "`overrides`" in error["hint"]
    host_with_wheels.declare(
        ["alpha", "beta==1.0"], requirements=["r.txt"], overrides=["beta==2.0"]
    )
    assert host_with_wheels.plan().code == 0


def test_conflict_with_a_dependency_names_the_lines(host_with_wheels: Host) -> None:
    make_wheel(host_with_wheels.wheels, "delta", "1.0", requires=["beta>=2"])
    constraints = host_with_wheels.write("beta<2\n", "c.txt")
    declaration = host_with_wheels.declare(["delta"], constraints=["c.txt"])

    error = error_of(host_with_wheels.plan())

    assert "no versions satisfy all requirements" in error["message"]
    assert error["output"].splitlines()[:2] == [
        f"delta   {declaration}:4, `packages`",
        f"beta<2  {constraints}:1",
    ]


def test_conflict_isnt_hidden_by_the_build_of_an_old_version(host_with_wheels: Host) -> None:
    """The resolver goes back to a version without a wheel, whose build fails."""
    make_wheel(host_with_wheels.wheels, "delta", "2.0", requires=["beta>=2"])
    with tarfile.open(host_with_wheels.wheels / "delta-1.0.tar.gz", "w:gz") as archive:
        content = b"raise SystemExit('setup.py is too old')\n"
        member = tarfile.TarInfo("delta-1.0/setup.py")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    host_with_wheels.declare(["delta", "beta<2"])

    error = error_of(host_with_wheels.plan())

    assert "no versions satisfy all requirements" in error["message"]
    assert "setup.py is too old" not in error["output"]
    assert "delta>=2.0 depends on beta>=2" in error["output"]


def test_unknown_package_has_a_suggestion(host_with_wheels: Host) -> None:
    declaration = host_with_wheels.declare(["gama"])

    error = error_of(host_with_wheels.plan())

    assert error["message"] == "resolving versions: no package named `gama`"
    assert error["hint"] == "did you mean `gamma`?"
    assert error["output"].startswith(f"gama  {declaration}:4, `packages`\n")


def test_package_for_another_platform_isnt_a_conflict(host_with_wheels: Host) -> None:
    make_wheel(host_with_wheels.wheels, "windows-only", "1.0", tag="py3-none-win_amd64")
    host_with_wheels.declare(["windows-only"])

    error = error_of(host_with_wheels.plan())

    assert "`windows-only` has no file for this platform" in error["message"]
    assert "`overrides`" not in error["hint"]


@pytest.mark.parametrize("requirement", ["source-only", "source-only==1.0"])
def test_package_without_a_wheel_isnt_a_conflict(host_with_wheels: Host, requirement: str) -> None:
    make_sdist(host_with_wheels.wheels, "source-only", "1.0")
    host_with_wheels.write(f"--only-binary :all:\n{requirement}\n", "r.txt")
    host_with_wheels.declare([], requirements=["r.txt"])

    error = error_of(host_with_wheels.plan())

    assert "`source-only` has no wheel" in error["message"]
    assert "`find-links`" in error["hint"]
    assert error["output"].startswith(f"{requirement}  ")


def test_package_for_another_python_isnt_a_conflict(host_with_wheels: Host) -> None:
    make_wheel(host_with_wheels.wheels, "newer", "1.0", requires_python=">=3.99")
    host_with_wheels.declare(["newer"])

    error = error_of(host_with_wheels.plan())

    assert "`newer` requires Python >=3.99" in error["message"]
    assert "`python`" in error["hint"]


@pytest.mark.parametrize("static", [True, False])
def test_failed_build_names_its_package_and_place(host_with_wheels: Host, static: bool) -> None:
    output = "".join(f"x.c:{number}: error: of a type\n" for number in range(200))
    make_sdist(host_with_wheels.wheels, "loud", "1.0", build_fails=output, static=static)
    requirements = host_with_wheels.write("gamma\nloud\n", "r.txt")
    host_with_wheels.declare([], requirements=["r.txt"])

    error = error_of(host_with_wheels.apply())

    assert "loud 1.0: it failed to build from source" in error["message"]
    assert error["output"].startswith(f"loud  {requirements}:2\n")
    assert "x.c:199: error" in error["output"]
    for advice in ("UV_", "--index-strategy", "--no-build"):
        assert advice not in error["output"] + error["hint"]


def test_error_of_an_indirect_package_names_its_chain(host_with_wheels: Host) -> None:
    """Whether it is missing, or fails to build while versions are resolved, or later."""
    wheels = host_with_wheels.wheels
    make_wheel(wheels, "top", "1.0", requires=["middle"])
    make_wheel(wheels, "middle", "1.0", requires=["absent"])
    requirements = host_with_wheels.write("gamma\ntop>=1\n", "r.txt")
    host_with_wheels.declare([], requirements=["r.txt"])
    missing = error_of(host_with_wheels.plan())
    make_sdist(wheels, "absent", "1.0", build_fails="no compiler of ours\n")
    building = error_of(host_with_wheels.apply())
    backend = {"_build/backend.py": "raise SystemExit('too old')\n"}
    make_sdist(wheels, "absent", "2.0", files=backend, static=False)
    resolving = error_of(host_with_wheels.plan())

    for error in (missing, building, resolving):
        first, *others = error["output"].splitlines()
        assert first == f"top>=1 → middle → absent  {requirements}:2"
        assert not any("was included because" in line for line in others)
    assert missing["message"] == "resolving versions: no package named `absent`"
    assert "absent 1.0: it failed to build" in building["message"]


@compiler_only
def test_all_missing_headers_and_their_packages_are_named(host_with_wheels: Host) -> None:
    """The compiler stops at the first one."""
    absent = [name for name in ("lber.h", "sasl.h") if not Path("/usr/include", name).exists()]
    if len(absent) < 2:
        pytest.skip("the headers are installed")
    source = "#include <lber.h>\n#include <sasl.h>\n"
    build = "subprocess.run(['gcc', '-c', 'src/native/native.c', '-o', '/dev/null'], check=True)"
    setup = f"import subprocess\n{build}\n"
    make_sdist(
        host_with_wheels.wheels,
        "native",
        "1.0",
        files={"src/native/native.c": source, "compile.py": setup},
        build_fails="src/native/native.c:1:10: fatal error: lber.h: No such file or directory\n",
    )
    host_with_wheels.declare(["native"])

    error = error_of(host_with_wheels.apply())

    assert "a header file is missing: `lber.h`, `sasl.h`" in error["message"]
    names = [HEADERS[name][column] for column in (0, 1) for name in absent]
    assert sum(name in error["hint"] for name in names) == 2


@compiler_only
def test_messages_of_this_compiler_are_understood(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("#include <nope/never.h>\n")
    argv = ["gcc", "-c", str(tmp_path / "a.c"), "-o", "/dev/null"]
    output = subprocess.run(argv, capture_output=True, text=True, check=False).stderr

    assert missing_requirements(output).headers == ("nope/never.h",)


BUILDS = {
    "missing tool": ("['nosuch-tool']", "nosuch-tool"),
    "missing tool in a shell": ("'exec nosuch-tool', shell=True", "nosuch-tool"),
    "missing module": ("['pkg-config', '--print-errors', '--exists', 'nosuch-module']",
                       "nosuch-module"),
    "missing header": ("'echo \"#include <nosuch/a.h>\" | gcc -E -', shell=True", "nosuch/a.h"),
}  # fmt: skip


@compiler_only
@pytest.mark.parametrize("case", BUILDS)
def test_failed_build_names_the_tool_and_its_package(
    host_with_wheels: Host, tmp_path: Path, case: str
) -> None:
    """A stand-in for apt-file: it lists the files that the real one would find."""
    command, name = BUILDS[case]
    if "pkg-config" in command and not shutil.which("pkg-config"):
        pytest.skip("pkg-config isn't installed")
    backend = f"import subprocess\nsubprocess.run({command}, check=True)\n"
    files = {"_build/backend.py": backend}
    make_sdist(host_with_wheels.wheels, "native", "1.0", files=files, static=False)
    index = tmp_path / "index"
    index.mkdir()
    listing = (
        "wrong-docs: /usr/share/doc/nosuch-tool\n"
        "wrong: /usr/include/nosuch/a.h\n"
        "nosuch-dev: /usr/include/nosuch/a.h\n"
        "nosuch-dev: /usr/lib/x86_64-linux-gnu/pkgconfig/nosuch-module.pc\n"
        "nosuch-dev: /usr/bin/nosuch-tool\n"
    )
    (index / "apt-file").write_text(f"#!/bin/sh\ncat <<'END'\n{listing}END\n")
    (index / "apt-file").chmod(0o755)
    host_with_wheels.declare(["native"])

    with mount_namespace(f"mount --bind '{index}' /usr/local/sbin", tmp_path) as prefix:
        error = error_of(host_with_wheels.apply(prefix=prefix))

    assert f"`{name}`" in error["message"]
    expected = "install nosuch-dev, or" if find_manager(database_stats()) == "dpkg" else "install"
    assert error["hint"].startswith(expected)
    assert name in error_of(host_with_wheels.apply())["message"]
