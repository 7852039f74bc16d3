"""A package that is named by where it lies is what it was only while its content is the same."""

from __future__ import annotations

import shutil

import pytest

from tests.integration.host import Host, changes
from tests.support.index import Index
from tests.support.wheels import make_git_project, make_project, make_sdist, make_wheel


def say(text: str) -> dict[str, str]:
    return {"src/tool/__init__.py": f"WORD = {text!r}\n"}


def word(host: Host) -> str:
    return host.python_says("import tool; print(tool.WORD)")


def test_another_commit_of_the_same_version_is_a_change(host: Host) -> None:
    project = make_git_project(host.folder / "src", "tool", "1.0", files=say("old"))
    first = project.head
    second = project.commit(say("new"))
    host.declare([f"tool @ {project.url}@{first}"])
    host.applied()
    assert word(host) == "old"
    host.declare([f"tool @ {project.url}@{second}"])

    plan = host.converges()

    assert plan["action"] == "update"
    before, after = changes(plan)["package.tool"]
    assert before == f"1.0 @ {project.url}@{first[:12]}#{first[:12]}"
    assert after is not None
    assert after.endswith(f"#{second[:12]}")
    assert word(host) == "new"


def test_a_branch_is_resolved_once_and_again_when_asked(host: Host) -> None:
    project = make_git_project(host.folder / "src", "tool", "1.0", files=say("old"))
    host.declare([f"tool @ {project.url}@main"])
    host.applied()
    project.commit(say("new"))

    host.settled()
    assert word(host) == "old"

    plan = host.converges("--upgrade=tool")
    assert f"#{project.head[:12]}" in str(changes(plan)["package.tool"][1])
    assert word(host) == "new"


def test_a_tag_names_a_commit(host: Host) -> None:
    project = make_git_project(host.folder / "src", "tool", "1.0", files=say("old"))
    project.tag("stable")
    project.commit(say("new"))
    host.declare([f"tool @ {project.url}@stable"])

    host.converges()

    assert word(host) == "old"


def test_a_project_in_a_subdirectory_of_a_repository(host: Host) -> None:
    project = make_git_project(host.folder / "src", "other", "1.0")
    make_project(project.path, "tool", "1.0", files=say("deep"))
    project.commit()
    host.declare([f"tool @ {project.url}#subdirectory=tool"])

    host.converges()

    assert word(host) == "deep"


def test_an_unchanged_local_directory_is_no_change_and_a_changed_one_is(host: Host) -> None:
    make_project(host.folder, "tool", "1.0", files=say("old"))
    host.declare(["tool @ ./tool"])
    host.converges()
    (host.folder / "tool/build").mkdir()
    (host.folder / "tool/src/tool/__pycache__").mkdir()
    host.settled()
    make_project(host.folder, "tool", "1.0", files=say("new"))

    plan = host.converges()

    assert plan["action"] == "update"
    assert word(host) == "new"


@pytest.mark.parametrize("inside", [True, False])
def test_a_local_directory_may_be_named_as_a_file(host: Host, inside: bool) -> None:
    """Relative to what names it, as the tools of Python take it."""
    make_project(host.folder, "tool", "1.0", files=say("here"))
    host.write("tool @ file:../tool\n", "lists/requirements.txt")
    lists = [] if inside else ["lists/requirements.txt"]
    host.declare(["tool @ file:tool"] if inside else [], requirements=lists)

    host.converges()

    assert word(host) == "here"


@pytest.mark.parametrize("name", ["a#b", "a b", "a%20b", "\u00e4&[x]?"])
def test_the_folder_of_a_declaration_may_have_any_name(host: Host, name: str) -> None:
    host.folder = host.folder / name
    make_project(host.folder, "tool", "1.0", files=say("here"))
    for one in ("beta", "gamma"):
        make_wheel(host.wheels, one, "1.0")
    host.write("gamma @ ../wheels/gamma-1.0-py3-none-any.whl\n", "lists/requirements.txt")
    host.declare(["tool @ ./tool", "beta"], requirements=["lists/requirements.txt"])

    host.converges()

    assert word(host) == "here"
    assert host.versions() == {"beta": "1.0", "gamma": "1.0", "tool": "1.0"}


@pytest.mark.parametrize("at", ["", "localhost"])
def test_an_edit_is_noticed_though_size_and_times_are_the_same(host: Host, at: str) -> None:
    make_project(host.folder, "tool", "1.0", files=say("old"))
    host.declare([f"tool @ file://{at}{host.folder}/tool"])
    host.applied()
    (host.folder / "tool/src/tool/__init__.py").write_text("WORD = 'new'\n")

    host.converges()

    assert word(host) == "new"


def test_a_local_wheel_replaced_by_another_of_the_same_version_is_a_change(host: Host) -> None:
    wheel = make_wheel(host.folder, "tool", "1.0", files={"tool/__init__.py": "WORD = 'old'\n"})
    host.declare([f"tool @ {wheel.as_uri()}"])
    host.converges()
    make_wheel(host.folder, "tool", "1.0", files={"tool/__init__.py": "WORD = 'new'\n"})

    plan = host.converges()

    assert "package.tool" in changes(plan)
    assert word(host) == "new"


def test_a_wheel_of_the_same_version_with_other_content_is_a_change_when_asked(
    host: Host,
) -> None:
    """A rebuilt wheel in a folder: the version says nothing, the hash does."""
    make_wheel(host.wheels, "tool", "1.0", files={"tool/__init__.py": "WORD = 'old'\n"})
    host.declare(["tool"])
    host.applied()
    make_wheel(host.wheels, "tool", "1.0", files={"tool/__init__.py": "WORD = 'new'\n"})

    plan = host.converges("--upgrade")

    assert "artifacts" in changes(plan)
    assert word(host) == "new"


def test_a_wheel_in_a_folder_wins_over_the_source_on_an_index(host: Host, index: Index) -> None:
    make_sdist(index.directory, "tool", "1.0", build_fails="no compiler")
    make_wheel(host.wheels, "tool", "1.0", files={"tool/__init__.py": "WORD = 'wheel'\n"})
    host.declare(["tool"], no_index=False, index_url=index.url)

    host.converges()

    assert word(host) == "wheel"


def test_a_missing_commit_is_named(host: Host) -> None:
    project = make_git_project(host.folder / "src", "tool", "1.0", files=say("old"))
    missing = "0123456789" * 4
    host.declare([f"tool @ {project.url}@{missing}"])

    failed = host.apply()

    assert failed.code != 0
    assert missing in failed.first["error"]["output"]
    assert not host.venv.exists()


@pytest.mark.parametrize("name", ["no/such/project", "no-such-1.0-py3-none-any.whl"])
def test_a_local_reference_to_nothing_is_a_wrong_declaration(host: Host, name: str) -> None:
    host.declare([f"tool @ {name}"])

    assert host.plan().code == 65


@pytest.mark.parametrize("line", ["tool @ {}", "./tool"])
def test_what_a_local_project_requires_is_asked_of_it_again(stocked: Host, line: str) -> None:
    """A build may take it from any file, of which an installer's cache knows nothing."""
    folder = make_project(stocked.folder, "tool", "1.0", requires=["beta<2"], static=False)
    stocked.write(line.format(folder.as_uri()), "asked.txt")
    stocked.declare([], requirements=["asked.txt"])
    stocked.applied()
    said = folder / "PKG-INFO"
    said.write_text(said.read_text().replace("beta<2", "beta") + "Requires-Dist: gamma\n")

    stocked.converges()

    assert stocked.versions() == {"tool": "1.0", "beta": "1.0", "gamma": "3.0"}
    made = stocked.run("lock", "converge.toml")
    assert made.code == 0, made.err
    assert "gamma" in (stocked.folder / "app.pylock.toml").read_text()


def test_another_project_of_a_repository_is_a_change(host: Host) -> None:
    """Though its name, its version and the commit are the same."""
    project = make_git_project(host.folder / "src", "all", "1.0")
    for folder in ("one", "two"):
        make_project(project.path / folder, "tool", "1.0", files=say(folder))
    project.commit()
    host.declare([f"tool @ {project.url}#subdirectory=one/tool"])
    host.applied()
    host.declare([f"tool @ {project.url}#subdirectory=two/tool"])

    plan = host.converges()

    assert changes(plan)["package.tool"][1].endswith(f"#subdirectory=two/tool#{project.head[:12]}")
    assert word(host) == "two"


def test_another_project_of_an_archive_is_a_change(host: Host, index: Index) -> None:
    make_project(host.folder / "all/one", "tool", "1.0", files=say("one"))
    make_project(host.folder / "all/two", "tool", "1.0", files=say("two"))
    shutil.make_archive(str(index.directory / "all-1.0"), "zip", host.folder, "all")
    archive = index.url.replace("/simple/", "/files/all-1.0.zip")
    host.declare([f"tool @ {archive}#subdirectory=one/tool"])
    host.applied()
    host.declare([f"tool @ {archive}#subdirectory=two/tool"])

    host.converges()

    assert word(host) == "two"
