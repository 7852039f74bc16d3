"""Digests of source trees cover the sources and ignore build artifacts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.declaration.inputs import ABSENT
from states.venv.sources.tree import tree_digest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "deep" / "build").mkdir(parents=True)
    (tree / "deep" / "build" / "three.py").write_text("3")
    (tree / "linked").symlink_to("deep")
    (tree / "one.py").write_text("1")
    (tree / "deep" / "two.py").write_text("2")
    (tree / "link").symlink_to("one.py")
    return tree


def test_tree_digest_does_not_depend_on_location(tree: Path, tmp_path: Path) -> None:
    before = tree_digest(str(tree))
    tree.rename(tmp_path / "other")
    assert tree_digest(str(tmp_path / "other")) == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda tree: (tree / "one.py").write_text("3"), id="content"),
        pytest.param(lambda tree: (tree / "one.py").rename(tree / "uno.py"), id="name"),
        pytest.param(lambda tree: (tree / "deep" / "two.py").chmod(0o755), id="executable bit"),
        pytest.param(lambda tree: (tree / "deep" / "new").touch(), id="new file"),
        pytest.param(
            lambda tree: ((tree / "link").unlink(), (tree / "link").symlink_to("deep/two.py")),
            id="symlink target",
        ),
        pytest.param(
            lambda tree: ((tree / "link").unlink(), (tree / "link").write_text("1")),
            id="symlink replaced by a copy",
        ),
        pytest.param(
            lambda tree: ((tree / "linked").unlink(), (tree / "linked").symlink_to("deep/build")),
            id="target of a directory symlink",
        ),
        pytest.param(
            lambda tree: ((tree / "linked").unlink(), (tree / "linked").mkdir()),
            id="symlink replaced by a directory",
        ),
        pytest.param(
            lambda tree: (tree / "deep" / "build" / "three.py").write_text("4"),
            id="file in a package named build",
        ),
        pytest.param(
            lambda tree: (tree / "deep" / "dist").write_text("a module"), id="file named dist"
        ),
        pytest.param(lambda tree: os.mkfifo(tree / "pipe"), id="named pipe"),
    ],
)
def test_tree_digest_depends_on_content_name_type_and_mode(
    tree: Path, change: Callable[[Path], object]
) -> None:
    before = tree_digest(str(tree))
    change(tree)
    assert tree_digest(str(tree)) != before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda tree: os.utime(tree / "one.py", (1, 1)), id="times"),
        pytest.param(lambda tree: (tree / "one.py").chmod(0o600), id="read permission"),
        pytest.param(lambda tree: (tree / "code.pyc").touch(), id="bytecode"),
        pytest.param(
            lambda tree: ((tree / "build").mkdir(), (tree / "build" / "x.so").touch()), id="build"
        ),
        pytest.param(
            lambda tree: ((tree / "dist").mkdir(), (tree / "dist" / "x.whl").touch()), id="dist"
        ),
        pytest.param(lambda tree: (tree / "deep" / "new").mkdir(), id="empty directory"),
        pytest.param(
            lambda tree: ((tree / ".git").mkdir(), (tree / ".git" / "HEAD").touch()), id="Git"
        ),
        pytest.param(
            lambda tree: ((tree / ".hypothesis").mkdir(), (tree / ".hypothesis" / "x").touch()),
            id="Hypothesis",
        ),
        pytest.param(lambda tree: (tree / ".coverage").touch(), id="coverage"),
    ],
)
def test_tree_digest_ignores_times_and_build_artifacts(
    tree: Path, change: Callable[[Path], object]
) -> None:
    before = tree_digest(str(tree))
    change(tree)
    assert tree_digest(str(tree)) == before


@pytest.mark.parametrize("edited", ["shared.py", "more/deep.py", "rest.py"])
def test_tree_digest_follows_symlinks_to_outside_modules(
    tree: Path, tmp_path: Path, edited: str
) -> None:
    """Projects in one repository may share a module, which a build copies."""
    (tmp_path / "common" / "more").mkdir(parents=True)
    for name in ("__init__.py", "shared.py", "more/__init__.py", "more/deep.py", "rest.py"):
        (tmp_path / "common" / name).write_text("1")
    (tree / "package").symlink_to(tmp_path / "common")
    (tmp_path / "common" / "more" / "back").symlink_to(tree)
    (tmp_path / "common" / "more" / "up").symlink_to("..")
    (tree / "shared.py").symlink_to("../common/shared.py")
    (tree / "deep" / "more").symlink_to("../../common/more")
    (tree / "deep" / "gone").symlink_to("../../common/gone")
    before = tree_digest(str(tree))
    assert tree_digest(str(tree)) == before
    (tmp_path / "common" / edited).write_text("2")
    assert tree_digest(str(tree)) != before


def test_tree_digest_ignores_symlinks_to_outside_data(tree: Path, tmp_path: Path) -> None:
    """Such data may be large and change with every run."""
    (tmp_path / "media").mkdir()
    (tmp_path / "log").write_text("one")
    (tree / "media").symlink_to(tmp_path / "media")
    (tree / "log").symlink_to(tmp_path / "log")
    before = tree_digest(str(tree))
    (tmp_path / "media" / "photo").touch()
    (tmp_path / "log").write_text("two")
    assert tree_digest(str(tree)) == before


def test_tree_digest_ignores_symlinks_to_parent_directories(tree: Path) -> None:
    (tree / "all").symlink_to("/")
    (tree / "above").symlink_to("..")
    before = tree_digest(str(tree))
    (tree.parent / "other").touch()
    assert tree_digest(str(tree)) == before


def test_tree_digest_accepts_files_that_disappear() -> None:
    """Listing this directory opens a file descriptor that no longer exists after it."""
    assert tree_digest("/proc/self/fdinfo")


def test_tree_digest_ignores_artifacts_of_nested_projects(tree: Path) -> None:
    part = tree / "deep" / "part"
    part.mkdir(parents=True)
    (part / "pyproject.toml").touch()
    before = tree_digest(str(tree))
    (part / "build").mkdir()
    (part / "build" / "x.so").touch()
    assert tree_digest(str(tree)) == before


def test_tree_digest_ignores_published_generations(tree: Path) -> None:
    before = tree_digest(str(tree))
    (tree / ".app" / "generations" / "1").mkdir(parents=True)
    (tree / ".app" / "lock").touch()
    (tree / "app").symlink_to(".app/generations/1")
    assert tree_digest(str(tree)) == before
    (tree / ".other" / "kept").mkdir(parents=True)
    (tree / "other").symlink_to(".other/kept")
    assert tree_digest(str(tree)) != before


def test_tree_digest_separates_names_from_content(tmp_path: Path) -> None:
    for name, files in (("x", {"a": "bc"}), ("y", {"ab": "c"}), ("z", {"a": "", "bc": ""})):
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / file).write_text(content)
    assert len({tree_digest(str(tmp_path / name)) for name in "xyz"}) == 3


def test_tree_digest_includes_undecodable_names(tmp_path: Path) -> None:
    before = tree_digest(str(tmp_path))
    (tmp_path / os.fsdecode(b"caf\xe9")).touch()
    assert tree_digest(str(tmp_path)) != before


def test_tree_digest_of_a_file_or_a_missing_path(tree: Path) -> None:
    digest = tree_digest(str(tree / "one.py"))
    (tree / "one.py").write_text("other")
    assert tree_digest(str(tree / "one.py")) != digest
    assert tree_digest(str(tree / "gone")) == ABSENT
