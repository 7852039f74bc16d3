"""Real installers accept the wheels and projects that the tests generate."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.wheels import Raw, make_git_project, make_project, make_sdist, make_wheel

Install = Callable[..., Path]
"""Installs the requirements to a new venv, without an index, and returns the venv."""


def run(program: Path, *arguments: str) -> str:
    completed = subprocess.run([program, *arguments], check=True, capture_output=True, text=True)
    return completed.stdout.strip()


def with_hash(wheel: Path) -> str:
    return f"{wheel} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"


def everything(directory: Path) -> Path:
    return make_wheel(
        directory,
        "Alpha.Beta",
        "1.2",
        extras={"extra": ["gamma; python_version >= '3'"]},
        requires_python=">=3.8",
        files={"alpha_beta/data.txt": "text", "alpha_beta/cli.py": "def main():\n    print(7)\n"},
        console_scripts={"alpha": "alpha_beta.cli:main"},
        scripts={"plain.sh": "#!/bin/sh\necho plain\n"},
        data={"data/etc/alpha.conf": "x = 1\n"},
        pth="import sys; sys.alpha = 1\n",
    )


def test_wheel_bytes_are_reproducible(tmp_path: Path) -> None:
    first, second = everything(tmp_path / "a"), everything(tmp_path / "b")
    assert first.name == "alpha_beta-1.2-py3-none-any.whl"
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_wheel_installs_every_part(
    tmp_path: Path, tool: str, request: pytest.FixtureRequest
) -> None:
    install: Install = request.getfixturevalue(f"install_with_{tool}")
    venv = install(with_hash(everything(tmp_path)), "--require-hashes")
    python = venv / "bin" / "python"
    assert run(python, "-c", "import alpha_beta as a; print(a.__version__)") == "1.2"
    assert run(python, "-c", "import sys; print(sys.alpha)") == "1"
    assert run(venv / "bin" / "alpha") == "7"
    assert run(venv / "bin" / "plain.sh") == "plain"
    assert (venv / "etc" / "alpha.conf").read_text() == "x = 1\n"


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_wheel_with_a_wrong_hash_is_rejected(
    tmp_path: Path, tool: str, request: pytest.FixtureRequest
) -> None:
    install: Install = request.getfixturevalue(f"install_with_{tool}")
    wheel = make_wheel(tmp_path, "alpha", "1")
    with pytest.raises(subprocess.CalledProcessError) as failure:
        install(f"{wheel} --hash=sha256:{'0' * 64}", "--require-hashes")
    assert "hash" in failure.value.stderr.lower()


def test_wheel_requirements_and_extras_are_installed(
    tmp_path: Path, install_with_uv: Install
) -> None:
    make_wheel(tmp_path, "gamma", "1", requires=["delta"])
    make_wheel(tmp_path, "delta", "2")
    venv = install_with_uv(
        f"alpha-beta[extra] @ {everything(tmp_path).as_uri()}", "--find-links", str(tmp_path)
    )
    site = next(venv.glob("lib/python*/site-packages"))
    installed = {path.name for path in site.glob("*.dist-info")}
    assert installed == {"alpha_beta-1.2.dist-info", "gamma-1.dist-info", "delta-2.dist-info"}


def test_wheel_raw_members_are_written_verbatim(tmp_path: Path) -> None:
    evil = ["../../outside", "alpha-1.data/data/pyvenv.cfg", "new\nline", "A.py", "a.py", "a.py"]
    wheel = make_wheel(tmp_path, "alpha", "1", module=False, raw=[Raw(name=name) for name in evil])
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        record = archive.read("alpha-1.dist-info/RECORD").decode()
    assert [name for name in names if "dist-info" not in name] == evil
    assert "\n../../outside,sha256=" in record
    assert '"new\nline",sha256=' in record


def test_wheel_record_can_be_wrong_replaced_or_missing(tmp_path: Path) -> None:
    def record(**lies: object) -> str | None:
        wheel = make_wheel(tmp_path, "alpha", "1", **lies)  # type: ignore[arg-type]
        with zipfile.ZipFile(wheel) as archive:
            name = "alpha-1.dist-info/RECORD"
            return archive.read(name).decode() if name in archive.namelist() else None

    honest = record()
    assert honest is not None
    assert "alpha/__init__.py,sha256=" in honest
    lied = record(record_lies={"alpha/__init__.py": "sha256=AAAA,3"})
    assert lied is not None
    assert "alpha/__init__.py,sha256=AAAA,3" in lied
    left_out = record(record_lies={"alpha/__init__.py": None})
    assert left_out is not None
    assert "__init__" not in left_out
    assert record(record="torn") == "torn"
    assert record(without=["RECORD"]) is None


def test_sdist_bytes_are_reproducible(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first = make_sdist(tmp_path, "alpha", "1")
    second = make_sdist(tmp_path / "again", "alpha", "1")
    assert first.name == "alpha-1.tar.gz"
    assert first.read_bytes() == second.read_bytes()
    assert list(tmp_path.glob("*.scratch")) == []


@pytest.mark.parametrize("tool", ["uv", "pip"])
@pytest.mark.parametrize("static", [True, False])
def test_sdist_builds_offline(
    tmp_path: Path, tool: str, static: bool, request: pytest.FixtureRequest
) -> None:
    install: Install = request.getfixturevalue(f"install_with_{tool}")
    make_wheel(tmp_path, "beta", "3")
    sdist = make_sdist(
        tmp_path,
        "alpha",
        "1",
        requires=["beta"],
        files={"src/alpha/cli.py": "def main():\n    print(8)\n"},
        console_scripts={"alpha": "alpha.cli:main"},
        static=static,
    )
    venv = install(str(sdist), "--find-links", str(tmp_path))
    assert run(venv / "bin" / "alpha") == "8"
    assert run(venv / "bin" / "python", "-c", "import beta; print(beta.__version__)") == "3"


def test_sdist_failing_build_prints_its_error(tmp_path: Path, install_with_uv: Install) -> None:
    sdist = make_sdist(tmp_path, "alpha", "1", build_fails="error: command 'gcc' failed\n")
    with pytest.raises(subprocess.CalledProcessError) as failure:
        install_with_uv(str(sdist))
    assert "error: command 'gcc' failed" in failure.value.stderr


def test_project_directory_installs_plain_and_editable(
    tmp_path: Path, install_with_uv: Install
) -> None:
    project = make_project(tmp_path, "alpha", "1", extras={"x": []}, requires_python=">=3.8")
    shown = ("-c", "import alpha; print(alpha.__version__, alpha.__file__)")
    assert str(project) not in run(install_with_uv(str(project)) / "bin/python", *shown)
    editable = run(install_with_uv(f"-e {project}") / "bin/python", *shown)
    assert editable == f"1 {project}/src/alpha/__init__.py"


def test_git_project_has_commits_tags_and_branches(
    tmp_path: Path, install_with_uv: Install
) -> None:
    project = make_git_project(tmp_path, "alpha", "1")
    first = project.head
    project.branch("stable")
    second = project.commit({"src/alpha/more.py": "x = 1\n"})
    third = project.commit(version="2")
    assert project.heads == [first, second, third]
    assert len({first, second, third}) == 3
    shown = ("-c", "import alpha; print(alpha.__version__)")
    for revision, version in {"1": "1", "stable": "1", third: "2", "main": "2"}.items():
        venv = install_with_uv(f"alpha @ {project.url}@{revision}")
        assert run(venv / "bin" / "python", *shown) == version


def test_git_project_commits_are_reproducible(tmp_path: Path) -> None:
    heads = [make_git_project(tmp_path / where, "alpha", "1").head for where in ("a", "b")]
    assert heads[0] == heads[1]
