"""A lock says exactly what is installed, and is believed by hash only."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.integration.conftest import stock
from tests.integration.host import Host, changes
from tests.support.index import Index
from tests.support.wheels import make_project, make_sdist, make_wheel

HEAD = 'lock-version = "1.0"\ncreated-by = "by hand"\n'


def entry(wheel: Path, marker: str = "", digest: str = "", algorithm: str = "sha256") -> str:
    """Return what a lock says of one wheel."""
    name, version, *_ = wheel.name.split("-")
    project = name.replace("_", "-")
    digest = digest or hashlib.new(algorithm, wheel.read_bytes()).hexdigest()
    return (
        f'[[packages]]\nname = "{project}"\nversion = "{version}"\n'
        + (f'marker = "{marker}"\n' if marker else "")
        + f'[[packages.wheels]]\nname = "{wheel.name}"\npath = "wheels/{wheel.name}"\n'
        + f'[packages.wheels.hashes]\n{algorithm} = "{digest}"\n'
    )


@pytest.fixture
def locked(host: Host) -> Host:
    """A host that declares a lock beside it; the lock is each test's to write."""
    stock(host.wheels)
    host.declare([], find_links=[], lock="pylock.toml")
    return host


def wheel(host: Host, name: str) -> Path:
    return host.wheels / f"{name}-py3-none-any.whl"


def test_a_lock_is_installed_exactly(locked: Host) -> None:
    locked.write(
        HEAD + entry(wheel(locked, "alpha-1.0")) + entry(wheel(locked, "beta-1.0")), "pylock.toml"
    )

    locked.converges()

    assert locked.versions() == {"alpha": "1.0", "beta": "1.0"}


def test_of_a_lock_for_many_platforms_only_what_holds_here_is_taken(locked: Host) -> None:
    other = make_wheel(locked.wheels, "windows-only", "1.0", tag="py3-none-win_amd64")
    text = HEAD + entry(wheel(locked, "beta-1.0"), marker="python_version >= '3'")
    text += entry(other, marker="sys_platform == 'win32'")
    text += entry(wheel(locked, "beta-2.0"), marker="python_version < '3'")
    locked.write(text, "pylock.toml")

    locked.converges()

    assert locked.versions() == {"beta": "1.0"}


def test_an_edited_lock_is_an_update(locked: Host) -> None:
    locked.write(HEAD + entry(wheel(locked, "beta-1.0")), "pylock.toml")
    locked.applied()
    locked.write(HEAD + entry(wheel(locked, "beta-2.0")), "pylock.toml")

    plan = locked.converges()

    assert plan["action"] == "update"
    assert changes(plan)["package.beta"] == ("1.0", "2.0")


def test_a_lock_that_only_looks_different_changes_nothing(locked: Host) -> None:
    locked.write(HEAD + entry(wheel(locked, "beta-1.0")), "pylock.toml")
    locked.applied()
    locked.write("# reviewed\n" + HEAD + entry(wheel(locked, "beta-1.0")), "pylock.toml")

    assert not locked.applied().report["changed"]


def test_a_hash_that_does_not_match_is_an_integrity_error(locked: Host) -> None:
    locked.write(HEAD + entry(wheel(locked, "beta-1.0"), digest="0" * 64), "pylock.toml")

    failed = locked.apply()

    assert failed.code == 81
    assert failed.report["exit"]["class"] == "integrity"
    assert "does not have the hash that was locked" in failed.first["error"]["message"]
    assert not locked.venv.exists()
    assert locked.generations() == []


def test_a_weak_hash_alone_is_refused(locked: Host) -> None:
    locked.write(HEAD + entry(wheel(locked, "beta-1.0"), algorithm="md5"), "pylock.toml")

    failed = locked.plan()

    assert failed.code == 81
    assert "no SHA-256 for beta 1.0" in failed.first["error"]["message"]


def test_a_lock_without_anything_for_this_interpreter_is_refused(locked: Host) -> None:
    other = make_wheel(locked.wheels, "windows-only", "1.0", tag="py3-none-win_amd64")
    locked.write(HEAD + entry(other), "pylock.toml")

    failed = locked.plan()

    assert failed.code == 1
    assert "cannot be used with Python" in failed.first["error"]["message"]


@pytest.mark.parametrize("text", ["", "not toml", 'lock-version = "9.9"\ncreated-by = "x"\n'])
def test_what_is_no_lock_is_told(locked: Host, text: str) -> None:
    locked.write(text, "pylock.toml")

    failed = locked.plan()

    assert failed.code in (1, 65)
    assert "Traceback" not in failed.err


def test_what_lock_writes_is_what_is_then_installed(host: Host, index: Index) -> None:
    stock(index.directory)
    keys: dict[str, object] = {"find_links": [], "no_index": False, "index_url": index.url}
    host.declare(["alpha", "beta<2"], lock="pylock.toml", **keys)

    made = host.run("lock", "converge.toml")

    assert made.code == 0, made.err
    make_wheel(index.directory, "beta", "1.9")
    host.converges()
    assert host.versions() == {"alpha": "1.1", "beta": "1.0"}


def test_a_lock_for_a_declared_interpreter(stocked: Host) -> None:
    more = f'[interpreter.base]\npython = "{stocked.python}"\n'
    stocked.declare(["beta<2"], more, python="interpreter.base", lock="pylock.toml")

    made = stocked.run("lock", "converge.toml")

    assert made.code == 0, made.err
    stocked.converges()
    assert stocked.versions() == {"beta": "1.0"}


def test_the_table_to_add_a_lock_to_is_written_as_toml_has_it(stocked: Host) -> None:
    declared = stocked.declare(["beta<2"])
    text = declared.read_text().replace("[venv.app]", '[venv."my.app"]')
    declared.write_text(text)

    made = stocked.run("lock", "converge.toml")

    assert """to use it, add to [venv."my.app"]:  lock = "my.app.pylock.toml"\n""" in made.out
    declared.write_text(text.replace("packages", "packges"))
    assert """unknown key `packges` in [venv."my.app"]""" in stocked.plan().err


def test_a_lock_without_a_folder_is_told_before_versions_are_chosen(stocked: Host) -> None:
    stocked.declare(["nothing-like-it"], lock="locks/app.toml")

    refused = stocked.run("lock", "converge.toml")

    assert refused.code == 1
    assert f"there is no folder `{stocked.folder}/locks` for the lock" in refused.err
    assert "hint: make it" in refused.err


def test_what_is_no_text_is_locked_anew(stocked: Host) -> None:
    (stocked.folder / "pylock.toml").write_bytes(b"\xff")
    stocked.declare(["beta<2"], lock="pylock.toml")

    assert stocked.plan().code == 65
    made = stocked.run("lock", "converge.toml")

    assert made.code == 0, made.err
    assert stocked.plan().changes()["package.beta"] == (None, "1.0")


def test_a_wheel_served_with_other_content_than_was_resolved_is_refused(
    host: Host, index: Index
) -> None:
    stock(index.directory)
    host.cache = host.folder / "cache"
    index.replaced["beta-2.0-py3-none-any.whl"] = (
        index.directory / "beta-1.0-py3-none-any.whl"
    ).read_bytes()
    host.declare(["beta"], find_links=[], no_index=False, index_url=index.url)

    failed = host.apply()

    assert failed.code == 81
    assert failed.first["error"]["code"] == 81
    assert not host.venv.exists()


def test_a_lock_that_is_older_than_the_declaration_is_refused(stocked: Host) -> None:
    stocked.declare(["alpha==1.0", "beta<2"], lock="pylock.toml")
    assert stocked.run("lock", "converge.toml").code == 0
    stocked.applied()
    stocked.write("gamma\n", "more.txt")
    stocked.declare(
        ["Alpha==1.1", "beta<2", "never; python_version < '3'"],
        lock="pylock.toml",
        requirements=["more.txt"],
    )

    refused = stocked.plan()

    assert refused.code == 65
    assert "was made from other requirements: it lacks `Alpha==1.1`, `gamma`" in refused.err
    assert stocked.run("lock", "converge.toml").code == 0
    stocked.converges()
    assert stocked.versions() == {"alpha": "1.1", "beta": "1.0", "gamma": "3.0"}


def test_an_edit_of_a_project_that_only_the_lock_names_is_a_change(stocked: Host) -> None:
    def say(word: str) -> None:
        files = {"src/tool/__init__.py": f"WORD = {word!r}\n"}
        make_project(stocked.folder, "tool", "1.0", files=files)

    say("old")
    stocked.declare(["tool @ ./tool"], lock="pylock.toml")
    assert stocked.run("lock", "converge.toml").code == 0
    stocked.declare([], lock="pylock.toml")
    stocked.applied()
    stocked.settled()
    say("new")

    stocked.converges()

    assert stocked.python_says("import tool; print(tool.WORD)") == "new"


def test_a_project_that_a_lock_has_for_other_hosts_need_not_be_here(locked: Host) -> None:
    text = HEAD + entry(wheel(locked, "beta-1.0"))
    text += '[[packages]]\nname = "tool"\nmarker = "sys_platform == \'win32\'"\n'
    locked.write(text + '[packages.directory]\npath = "tool"\n', "pylock.toml")

    locked.converges()


@pytest.mark.parametrize("table", ["archive", "sdist"])
def test_a_lock_may_name_an_archive_that_lies_here_by_its_url(locked: Host, table: str) -> None:
    """As pip does."""
    folder = locked.folder / "an odd+place"
    folder.mkdir()
    archive = make_sdist(folder, "tool", "1.0")
    version = "" if table == "archive" else 'version = "1.0"\n'
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    text = f'[[packages]]\nname = "tool"\n{version}[packages.{table}]\nname = "{archive.name}"\n'
    text += f'url = "{archive.as_uri()}"\nhashes = {{ sha256 = "{digest}" }}\n'
    locked.write(HEAD + text, "pylock.toml")

    locked.converges()

    assert locked.versions() == {"tool": "1.0"}
