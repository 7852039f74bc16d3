"""Direct references: converge reinstalls a package when the content at its URL changes."""

from __future__ import annotations

import shutil

import pytest

from tests.integration.host import Host
from tests.support.command import changes
from tests.support.index import Index
from tests.support.wheels import make_git_project, make_project, make_sdist, make_wheel


def source(label: str) -> dict[str, str]:
    """Return the source files of a project that contain a label."""
    return {"src/tool/__init__.py": f"LABEL = {label!r}\n"}


def installed_label(host: Host) -> str:
    return host.run_python("import tool; print(tool.LABEL)")


def test_git_reference_to_another_commit_is_an_update(host: Host) -> None:
    project = make_git_project(host.directory / "src", "tool", "1.0", files=source("old"))
    first = project.head
    second = project.commit(source("new"))
    host.declare([f"tool @ {project.url}@{first}"])
    host.apply_ok()
    assert installed_label(host) == "old"
    host.declare([f"tool @ {project.url}@{second}"])

    plan = host.assert_converges()

    assert plan["action"] == "update"
    before, after = changes(plan)["package.tool"]
    assert before == f"1.0 @ {project.url}@{first[:12]}#{first[:12]}"
    assert after is not None
    assert after.endswith(f"#{second[:12]}")
    assert installed_label(host) == "new"


def test_git_branch_is_resolved_again_only_on_upgrade(host: Host) -> None:
    project = make_git_project(host.directory / "src", "tool", "1.0", files=source("old"))
    host.declare([f"tool @ {project.url}@main"])
    host.apply_ok()
    project.commit(source("new"))

    host.assert_no_changes()
    assert installed_label(host) == "old"

    plan = host.assert_converges("--upgrade-package=tool")
    assert f"#{project.head[:12]}" in str(changes(plan)["package.tool"][1])
    assert installed_label(host) == "new"


def test_git_tag_is_resolved_to_its_commit(host: Host) -> None:
    project = make_git_project(host.directory / "src", "tool", "1.0", files=source("old"))
    project.tag("stable")
    project.commit(source("new"))
    host.declare([f"tool @ {project.url}@stable"])

    host.assert_converges()

    assert installed_label(host) == "old"


def test_git_subdirectory_is_installed(host: Host) -> None:
    project = make_git_project(host.directory / "src", "other", "1.0")
    make_project(project.path, "tool", "1.0", files=source("deep"))
    project.commit()
    host.declare([f"tool @ {project.url}#subdirectory=tool"])

    host.assert_converges()

    assert installed_label(host) == "deep"


def test_local_directory_is_rebuilt_only_when_it_changes(host: Host) -> None:
    make_project(host.directory, "tool", "1.0", files=source("old"))
    host.declare(["tool @ ./tool"])
    host.assert_converges()
    (host.directory / "tool/build").mkdir()
    (host.directory / "tool/src/tool/__pycache__").mkdir()
    host.assert_no_changes()
    make_project(host.directory, "tool", "1.0", files=source("new"))

    plan = host.assert_converges()

    assert plan["action"] == "update"
    assert installed_label(host) == "new"


@pytest.mark.parametrize("inside", [True, False])
def test_local_directory_can_be_a_relative_file_url(host: Host, inside: bool) -> None:
    """The path is relative to the file that contains it, as for other Python tools."""
    make_project(host.directory, "tool", "1.0", files=source("here"))
    host.write("tool @ file:../tool\n", "lists/requirements.txt")
    lists = [] if inside else ["lists/requirements.txt"]
    host.declare(["tool @ file:tool"] if inside else [], requirements=lists)

    host.assert_converges()

    assert installed_label(host) == "here"


@pytest.mark.parametrize("name", ["a#b", "a b", "a%20b", "\u00e4&[x]?"])
def test_declaration_directory_can_have_any_name(host: Host, name: str) -> None:
    host.directory = host.directory / name
    make_project(host.directory, "tool", "1.0", files=source("here"))
    for package in ("beta", "gamma"):
        make_wheel(host.wheels, package, "1.0")
    host.write("gamma @ ../wheels/gamma-1.0-py3-none-any.whl\n", "lists/requirements.txt")
    host.declare(["tool @ ./tool", "beta"], requirements=["lists/requirements.txt"])

    host.assert_converges()

    assert installed_label(host) == "here"
    assert host.versions() == {"beta": "1.0", "gamma": "1.0", "tool": "1.0"}


@pytest.mark.parametrize("authority", ["", "localhost"])
def test_local_edit_of_the_same_size_is_detected(host: Host, authority: str) -> None:
    make_project(host.directory, "tool", "1.0", files=source("old"))
    host.declare([f"tool @ file://{authority}{host.directory}/tool"])
    host.apply_ok()
    (host.directory / "tool/src/tool/__init__.py").write_text("LABEL = 'new'\n")

    host.assert_converges()

    assert installed_label(host) == "new"


def test_replaced_local_wheel_of_same_version_is_an_update(host: Host) -> None:
    wheel = make_wheel(host.directory, "tool", "1.0", files={"tool/__init__.py": "LABEL = 'old'\n"})
    host.declare([f"tool @ {wheel.as_uri()}"])
    host.assert_converges()
    make_wheel(host.directory, "tool", "1.0", files={"tool/__init__.py": "LABEL = 'new'\n"})

    plan = host.assert_converges()

    assert "package.tool" in changes(plan)
    assert installed_label(host) == "new"


def test_rebuilt_wheel_is_installed_on_upgrade(
    host: Host,
) -> None:
    """The version of the rebuilt wheel is unchanged, but its hash differs."""
    make_wheel(host.wheels, "tool", "1.0", files={"tool/__init__.py": "LABEL = 'old'\n"})
    host.declare(["tool"])
    host.apply_ok()
    make_wheel(host.wheels, "tool", "1.0", files={"tool/__init__.py": "LABEL = 'new'\n"})

    plan = host.assert_converges("--upgrade")

    assert "artifacts" in changes(plan)
    assert installed_label(host) == "new"


def test_find_links_wheel_wins_over_index_sdist(host: Host, index: Index) -> None:
    make_sdist(index.directory, "tool", "1.0", build_fails="no compiler")
    make_wheel(host.wheels, "tool", "1.0", files={"tool/__init__.py": "LABEL = 'wheel'\n"})
    host.declare(["tool"], no_index=False, index_url=index.url)

    host.assert_converges()

    assert installed_label(host) == "wheel"


def test_missing_git_commit_is_reported(host: Host) -> None:
    project = make_git_project(host.directory / "src", "tool", "1.0", files=source("old"))
    missing = "0123456789" * 4
    host.declare([f"tool @ {project.url}@{missing}"])

    failed = host.apply()

    assert failed.code != 0
    assert missing in failed.first["error"]["output"]
    assert not host.venv.exists()


@pytest.mark.parametrize("name", ["no/such/project", "no-such-1.0-py3-none-any.whl"])
def test_missing_local_path_is_a_declaration_error(host: Host, name: str) -> None:
    host.declare([f"tool @ {name}"])

    assert host.plan().code == 65


@pytest.mark.parametrize("line", ["tool @ {}", "./tool"])
def test_local_project_dependencies_are_read_again(host_with_wheels: Host, line: str) -> None:
    """A build can read them from any file, so an installer's cache can be out of date."""
    directory = make_project(
        host_with_wheels.directory, "tool", "1.0", requires=["beta<2"], static=False
    )
    host_with_wheels.write(line.format(directory.as_uri()), "requirements.txt")
    host_with_wheels.declare([], requirements=["requirements.txt"])
    host_with_wheels.apply_ok()
    metadata = directory / "PKG-INFO"
    metadata.write_text(metadata.read_text().replace("beta<2", "beta") + "Requires-Dist: gamma\n")

    host_with_wheels.assert_converges()

    assert host_with_wheels.versions() == {"tool": "1.0", "beta": "1.0", "gamma": "3.0"}
    locked = host_with_wheels.run("lock", "converge.toml")
    assert locked.code == 0, locked.err
    assert "gamma" in (host_with_wheels.directory / "pylock.app.toml").read_text()


def test_other_git_subdirectory_is_an_update(host: Host) -> None:
    """The name, the version and the commit are the same."""
    project = make_git_project(host.directory / "src", "all", "1.0")
    for directory in ("one", "two"):
        make_project(project.path / directory, "tool", "1.0", files=source(directory))
    project.commit()
    host.declare([f"tool @ {project.url}#subdirectory=one/tool"])
    host.apply_ok()
    host.declare([f"tool @ {project.url}#subdirectory=two/tool"])

    plan = host.assert_converges()

    after = changes(plan)["package.tool"][1]
    assert after is not None
    assert after.endswith(f"#subdirectory=two/tool#{project.head[:12]}")
    assert installed_label(host) == "two"


def test_other_archive_subdirectory_is_an_update(host: Host, index: Index) -> None:
    make_project(host.directory / "all/one", "tool", "1.0", files=source("one"))
    make_project(host.directory / "all/two", "tool", "1.0", files=source("two"))
    shutil.make_archive(str(index.directory / "all-1.0"), "zip", host.directory, "all")
    archive = index.url.replace("/simple/", "/files/all-1.0.zip")
    host.declare([f"tool @ {archive}#subdirectory=one/tool"])
    host.apply_ok()
    host.declare([f"tool @ {archive}#subdirectory=two/tool"])

    host.assert_converges()

    assert installed_label(host) == "two"
