"""Packages in site directories: the layout of real interpreters, and each form of metadata."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from engine.errors import ConvergeError
from states.global_installs.distributions import Distribution, find_metadata, read_distribution
from states.global_installs.layout import Layout, data_directories, read_layout
from states.interpreter.candidates import trusted_candidates

BASE = str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}")
_ASK = "import json, site; print(json.dumps([site.getsitepackages(), site.getusersitepackages()]))"


def test_layout_is_that_of_each_real_interpreter() -> None:
    """The directories are read. Here the interpreters are started, without packages."""
    compared = 0
    for python in trusted_candidates():
        if "pypy" in python or (Path(python).parent / "../pyvenv.cfg").exists():
            continue
        answer = subprocess.run([python, "-I", "-S", "-c", _ASK], capture_output=True, check=True)
        sites, user_site = json.loads(answer.stdout)
        layout = read_layout(python)
        assert [*layout.sites] == sites
        assert user_site.endswith(f"/{layout.user_site}")
        compared += 1
    assert compared


def _make_prefix(tmp_path: Path, library: str, name: str, site_py: str) -> Layout:
    """Create the files of an installation that its layout is read from."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / name).touch()
    standard_library = tmp_path / library / name
    standard_library.mkdir(parents=True)
    (standard_library / "os.py").touch()
    (standard_library / "site.py").write_text(site_py)
    return read_layout(str(tmp_path / "bin" / name))


def test_library_in_lib64_comes_first(tmp_path: Path) -> None:
    layout = _make_prefix(tmp_path, "lib64", "python3.9", "")
    names = [str(Path(site).relative_to(tmp_path)) for site in layout.sites]
    assert names == ["lib64/python3.9/site-packages", "lib/python3.9/site-packages"]


def test_layout_of_debian_is_detected(tmp_path: Path) -> None:
    layout = _make_prefix(tmp_path, "lib", "python3.13", 'os.path.join(x, "dist-packages")')
    names = [str(Path(site).relative_to(tmp_path)) for site in layout.sites]
    versioned = "lib/python3.13/dist-packages"
    assert names == [f"local/{versioned}", "lib/python3/dist-packages", versioned]


def test_files_beside_a_site_directory_belong_to_its_prefix() -> None:
    assert "/usr/local/bin" in data_directories("/usr/local/lib/python3.11/dist-packages")
    assert "/home/ann/.local/bin" in data_directories(
        "/home/ann/.local/lib/python3.11/site-packages"
    )


@pytest.mark.parametrize("name", ["gone", "venv", "script"])
def test_path_without_an_interpreter_is_an_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bin" / "python3.11"
    path.parent.mkdir()
    if name != "gone":
        path.symlink_to(BASE) if name == "venv" else path.write_text("#!/bin/sh\n")
    if name == "venv":
        (tmp_path / "pyvenv.cfg").touch()
    with pytest.raises(ConvergeError, match=str(path)):
        read_layout(str(path))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return an empty site directory."""
    site = tmp_path / "lib/python3.11/site-packages"
    site.mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    return site


def _read(site: Path) -> Distribution:
    (entry,) = find_metadata(str(site))
    return read_distribution(str(site), entry)


def _names(distribution: Distribution) -> list[str]:
    prefix = Path(distribution.site).parents[2]
    return sorted(str(Path(path).relative_to(prefix)) for path in distribution.files)


def _write(site: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(content)


def test_wheel_has_its_recorded_files_inside_the_prefix(site: Path) -> None:
    rows = [
        "web/__init__.py",
        "../../../bin/web",
        "../../../../etc/passwd",
        "/etc/shadow",
        "web/a.pyc",
    ]
    _write(
        site,
        {
            "Web-1.0.dist-info/METADATA": "Name: Web_App\nVersion: 1.0\n\nVersion: 9\n",
            "Web-1.0.dist-info/RECORD": "".join(f"{row},,\n" for row in rows),
            "Web-1.0.dist-info/INSTALLER": "pip\n",
            "web/__init__.py": "",
        },
    )
    distribution = _read(site)
    assert (distribution.name, distribution.version) == ("web-app", "1.0")
    assert distribution.installer == "pip"
    assert distribution.modules == ("web",)
    site_name = "lib/python3.11/site-packages"
    inside = [f"{site_name}/Web-1.0.dist-info", f"{site_name}/web/__init__.py"]
    assert _names(distribution) == ["bin/web", *inside]


def test_editable_wheel_has_its_project(site: Path) -> None:
    url = {"url": "file:///srv/my%20app", "dir_info": {"editable": True}}
    _write(
        site,
        {
            "app-1.dist-info/METADATA": "Name: app\nVersion: 1\n",
            "app-1.dist-info/direct_url.json": json.dumps(url),
        },
    )
    assert _read(site).project == "/srv/my app"


def test_wheel_of_a_repository_has_its_commit(site: Path) -> None:
    url = {"url": "https://git.example/app", "vcs_info": {"vcs": "git", "commit_id": "a" * 40}}
    _write(
        site,
        {
            "app-1.dist-info/METADATA": "Name: app\nVersion: 1\n",
            "app-1.dist-info/direct_url.json": json.dumps(url),
        },
    )
    assert _read(site).origin == f"git+https://git.example/app@{'a' * 40}"


@pytest.mark.parametrize("text", ["", "[", "[1]", '{"url": 1}', "[" * 100_000])
def test_malformed_direct_url_is_ignored(text: str, site: Path) -> None:
    _write(
        site,
        {
            "app-1.dist-info/METADATA": "Name: app\nVersion: 1\n",
            "app-1.dist-info/direct_url.json": text,
        },
    )
    assert (_read(site).origin, _read(site).project) == ("", "")


def test_old_install_of_setup_py_has_its_listed_files(site: Path) -> None:
    _write(
        site,
        {
            "old-2.egg-info/PKG-INFO": "Name: old\nVersion: 2\n",
            "old-2.egg-info/installed-files.txt": "../old/__init__.py\n../../../../bin/old\nPKG-INFO\n",
            "old/__init__.py": "",
        },
    )
    distribution = _read(site)
    assert (distribution.installer, distribution.modules) == ("setup.py", ("old",))
    assert "bin/old" in _names(distribution)


def test_egg_info_file_of_distutils_is_read(site: Path) -> None:
    _write(site, {"Oldest-3.egg-info": "Metadata-Version: 1.0\nName: Oldest\nVersion: 3\n"})
    distribution = _read(site)
    assert (distribution.name, distribution.version) == ("oldest", "3")
    assert distribution.files == (f"{site}/Oldest-3.egg-info",)


def test_zipped_egg_is_read(site: Path) -> None:
    with zipfile.ZipFile(site / "zipped-4-py3.11.egg", "w") as archive:
        archive.writestr("EGG-INFO/PKG-INFO", "Name: zipped\nVersion: 4\n")
    distribution = _read(site)
    assert (distribution.name, distribution.version) == ("zipped", "4")
    assert distribution.installer == "easy_install"


@pytest.mark.parametrize("is_archive", [False, True])
def test_damaged_egg_has_the_name_of_its_file(is_archive: bool, site: Path) -> None:
    egg = site / "broken-5-py3.11.egg"
    egg.write_text("no archive")
    if is_archive:
        with zipfile.ZipFile(egg, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("EGG-INFO/PKG-INFO", "Name: zipped\nVersion: 4\n")
        start = len("EGG-INFO/PKG-INFO") + 30  # The size of a local header.
        content = bytearray(egg.read_bytes())
        content[start : start + 4] = b"\xff" * 4
        egg.write_bytes(content)
    assert (_read(site).name, _read(site).version) == ("broken", "5")


def test_egg_that_is_a_pipe_is_an_error(site: Path) -> None:
    """Opening it would block."""
    os.mkfifo(site / "pipe-5-py3.11.egg")
    with pytest.raises(OSError, match="not a regular file"):
        _read(site)


def test_directory_of_an_egg_has_its_program(site: Path) -> None:
    _write(
        site,
        {
            "lazy-6-py3.11.egg/EGG-INFO/PKG-INFO": "Name: lazy\nVersion: 6\n",
            "lazy-6-py3.11.egg/EGG-INFO/entry_points.txt": "[console_scripts]\nlazy = lazy:main\n",
            "lazy-6-py3.11.egg/EGG-INFO/top_level.txt": "lazy\n",
            "../../../bin/lazy-6": "#!/usr/bin/python3\n# EASY-INSTALL-ENTRY-SCRIPT: 'lazy==6'\n",
        },
    )
    (site / "../../../bin/lazy").symlink_to("lazy-6")
    place = "lib/python3.11/site-packages"
    assert _names(_read(site)) == [
        "bin/lazy",
        f"{place}/easy-install.pth",
        f"{place}/lazy-6-py3.11.egg",
    ]
    assert _read(site).modules == ("lazy",)


def test_egg_link_has_its_project(site: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    _write(
        site,
        {
            "dev.egg-link": f"{project}\n.\n",
            f"{project}/dev.egg-info/PKG-INFO": "Name: dev\nVersion: 7\n",
            f"{project}/dev.egg-info/top_level.txt": "dev\n",
        },
    )
    distribution = _read(site)
    assert (distribution.name, distribution.version) == ("dev", "7")
    assert distribution.project == str(project)


def test_package_in_a_moved_site_directory_has_only_files_in_it(tmp_path: Path) -> None:
    """A user can replace `~/.local/lib` by a symlink to any other directory."""
    site = tmp_path / "packages"
    _write(site, {"web-1.dist-info/METADATA": "Name: web\n"})
    _write(site, {"web-1.dist-info/RECORD": "web.py,,\n../bin/web,,\n"})
    assert _read(site).files == (f"{site}/web-1.dist-info", f"{site}/web.py")


@pytest.mark.parametrize("name", ["RECORD", "top_level.txt"])
def test_list_with_a_nul_character_is_an_error(name: str, site: Path) -> None:
    _write(site, {"bad-1.dist-info/METADATA": "Name: bad\n", f"bad-1.dist-info/{name}": "a\0b\n"})
    with pytest.raises(OSError, match="NUL"):
        _read(site)


def test_malformed_record_is_an_error_that_names_it(site: Path) -> None:
    _write(
        site, {"bad-1.dist-info/METADATA": "Name: bad\n", "bad-1.dist-info/RECORD": "x" * 200_000}
    )
    with pytest.raises(OSError, match="malformed RECORD"):
        _read(site)


def test_rest_of_an_interrupted_uninstall_is_not_a_package(site: Path) -> None:
    _write(site, {"~ld-1.dist-info/METADATA": "Name: old\n", "~ld/__init__.py": ""})
    assert find_metadata(str(site)) == []
