"""Files that a build writes, that Git ignores, or that the declaration excludes aren't source."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.integration.snapshots import Snapshots
from tests.support import backend
from tests.support.projects import make_project

WRITING_BACKEND = """
_build_wheel = build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    import time
    count_file = {counter!r}
    count = int(open(count_file).read()) + 1 if os.path.exists(count_file) else 1
    with open(count_file, "w") as file:
        file.write(str(count))
{write}
    return _build_wheel(wheel_directory)
"""
"""A build backend that counts its builds, and runs more statements before each of them."""
WRITE = """    with open({path!r}, {mode!r}) as file:
        file.write({content})
"""


def make_writing(host: Host, *statements: str, ignore: str = "", version: str = "1.0") -> Path:
    """Create the project `tool`, whose build runs statements."""
    writing = WRITING_BACKEND.format(
        counter=str(host.directory / "builds"), write="".join(statements)
    )
    files = {"_build/backend.py": Path(backend.__file__).read_text() + writing}
    if ignore:
        files[".gitignore"] = ignore
    tool = make_project(host.directory, "tool", version, files=files)
    host.declare(["tool @ ./tool"])
    return tool


def writes(path: str, content: str) -> str:
    """Return a statement that writes a file. The content is an expression."""
    return WRITE.format(path=path, mode="w", content=content)


def builds(host: Host) -> int:
    """Return the number of builds since the last call."""
    counter = host.directory / "builds"
    count = int(counter.read_text()) if counter.exists() else 0
    counter.unlink(missing_ok=True)
    return count


VERSION = writes("src/tool/_version.py", "'version = %r\\n' % _headers()['Version']")
TIME = writes("src/tool/_version.py", "'built = %r\\n' % time.time_ns()")
AUTHORS = writes("AUTHORS", "'a\\n'") + writes("ChangeLog", "_headers()['Version']")
IGNORED = "AUTHORS\nChangeLog\n_version.py\n"
OUTPUTS = {
    "pbr": (AUTHORS, IGNORED, 1),
    "setuptools-scm": (VERSION, IGNORED, 2),
    "time": (TIME, "", 3),
}
"""Statements, ignored names, and the number of builds on the first apply."""


@pytest.mark.parametrize(("statement", "ignore", "count"), OUTPUTS.values(), ids=OUTPUTS)
def test_build_may_write_into_its_project(
    host: Host, statement: str, ignore: str, count: int
) -> None:
    make_writing(host, statement, ignore=ignore)

    host.apply_ok()

    assert builds(host) == count
    host.assert_no_changes()
    assert builds(host) == 0
    make_writing(host, statement, ignore=ignore, version="2.0")
    host.apply_ok()
    assert builds(host) == 1, "the outputs are known"
    assert host.versions()["tool"] == "2.0"
    host.assert_no_changes()
    assert host.run("verify", "converge.toml").code == 0


def test_output_of_a_build_may_be_deleted(host: Host) -> None:
    tool = make_writing(host, TIME)
    host.apply_ok()
    (tool / "src/tool/_version.py").unlink()
    host.assert_no_changes()


def test_file_that_is_written_once_is_source(host: Host) -> None:
    """A build may write a file only if it doesn't exist."""
    once = "    if not os.path.exists('src/tool/once.py'):\n" + writes(
        "src/tool/once.py", "'x = 1\\n'"
    ).replace("    ", "        ")
    tool = make_writing(host, once)
    host.apply_ok()
    host.assert_no_changes()
    (tool / "src/tool/once.py").write_text("x = 2\n")

    assert host.check().code == 2


EDIT = """    if count in {counts}:
        with open({path!r}, "a") as file:
            file.write({content!r})
"""


@pytest.mark.parametrize("counts", [(1,), (1, 2)])
def test_edit_during_a_build_is_installed(host: Host, counts: tuple[int, ...]) -> None:
    path = "src/tool/__init__.py"
    late = EDIT.format(counts=counts, path=path, content="EDITED = True\n")
    tool = make_writing(host)
    # After the wheel was built, so that the first wheel lacks the edit.
    edited = (
        (tool / "_build/backend.py")
        .read_text()
        .replace(
            "    return _build_wheel(wheel_directory)\n",
            f"    name = _build_wheel(wheel_directory)\n{late}    return name\n",
        )
    )
    (tool / "_build/backend.py").write_text(edited)

    host.apply_ok()

    assert (host.site / "tool/__init__.py").read_text() == (tool / path).read_text()
    host.assert_no_changes()
    (tool / path).write_text("EDITED = 'again'\n")
    assert host.check().code == 2, "an edited file isn't an output"


def test_edited_requirement_during_a_build_is_an_error(host: Host) -> None:
    edit = EDIT.format(counts=(1,), path="PKG-INFO", content="Requires-Dist: missing\n")
    make_writing(host, edit)

    failed = host.apply()

    assert failed.code == 81
    assert "changed during the build" in failed.first["error"]["message"]
    assert not host.venv.exists()


def test_edit_after_the_build_is_an_error(host: Host) -> None:
    """Three builds that each change another file don't settle."""
    edit = "    open('src/tool/new%d.py' % count, 'w').close()\n"
    make_writing(host, edit)

    failed = host.apply()

    assert failed.code == 81
    assert "changed during the build" in failed.first["error"]["message"]


@pytest.fixture
def site(snapshots: Snapshots) -> Host:
    """Return a host with a site whose Git-ignored files are partly packaged."""

    def prepare(host: Host) -> None:
        files = {
            ".gitignore": "*.sqlite3\n*.log\n!important.log\nstatic/\nnode_modules/\n",
            "src/tool/static/app.3fa9.js": "1",
            "src/tool/data.txt": "1",
        }
        make_project(host.directory, "tool", "1.0", files=files)
        host.declare(["tool @ ./tool"], source_ignore=["notes.*", "var/*"])
        host.apply_ok()

    return snapshots.host("site", prepare)


def test_ignored_file_that_no_build_packages_isnt_source(site: Host) -> None:
    for path in ("db.sqlite3", "logs/app.log", "node_modules/a/index.js"):
        file = site.directory / "tool" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("row")

    site.assert_no_changes()
    assert "declaration changed" not in site.run("status", "converge.toml").out


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("src/tool/static/app.3fa9.js", id="ignored and packaged"),
        pytest.param("src/tool/static/app.77c1.js", id="new beside a packaged file"),
        pytest.param("important.log", id="included by a negation"),
        pytest.param(".gitignore", id="rules"),
    ],
)
def test_packaged_file_is_source_even_if_git_ignores_it(site: Host, path: str) -> None:
    with (site.directory / "tool" / path).open("a") as stream:
        stream.write("\n")

    assert site.check().code == 2


def test_excluded_file_isnt_source(site: Host) -> None:
    (site.directory / "tool/notes.txt").write_text("more")
    (site.directory / "tool/var").mkdir()
    (site.directory / "tool/var/rows").write_text("more")

    assert site.check().code == 0
    (site.directory / "tool/other.txt").touch()
    assert site.check().code == 2
