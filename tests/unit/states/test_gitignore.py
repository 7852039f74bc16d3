"""Git's rules for ignored files, compared with Git itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from states.venv.sources.gitignore import GitIgnore
from states.venv.sources.tree import SourceTree, tree_digest

RULES = {
    ".gitignore": "*.log\n!keep.log\n/root.txt\nnode_modules/\ndeep/**/x\n\\#odd\nspaced\\ \n# no\n",
    "tool/.gitignore": "*\n!*.py\n!sub/\n[\n.hidden/*.tmp\n",
    "tool/sub/.gitignore": "!debug.log\n/*.py\n",
    ".git/info/exclude": "*.local\n",
}
PATHS = [
    *("a.log", "keep.log", "root.txt", "sub/root.txt", "#odd", "spaced ", "x.local", "a.py"),
    *("deep/a/b/x", "node_modules/a/index.js", "sub/node_modules/b.py", "tool/a.py", "tool/b.txt"),
    *("tool/sub/a.py", "tool/sub/debug.log", "tool/sub/c/d.py", "tool/other/a.py"),
    *("tool/keep.log", "tool/.hidden/a.tmp", ".github/a.log", ".github/workflow"),
]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a work tree with rules on all levels."""
    if not shutil.which("git"):
        pytest.skip("needs git")
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    for path, content in {**dict.fromkeys(PATHS, ""), **RULES}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content)
    return tmp_path


def ignored_by_git(repository: Path, root: Path) -> set[str]:
    environment = {"PATH": os.defpath, "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--ignored", "--exclude-standard"],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return {path for path in listed.stdout.split("\0") if path}


@pytest.mark.parametrize("root", ["", "tool", "tool/sub"])
def test_ignored_files_are_those_of_git(repository: Path, root: str) -> None:
    tree = SourceTree(str(repository / root))
    ignored = set(tree.ignored_files(GitIgnore(tree.path)))
    assert ignored == ignored_by_git(repository, repository / root)


def test_rules_of_an_ignored_root_have_no_effect(repository: Path) -> None:
    """Otherwise, nothing in a vendored project would be source."""
    root = repository / "node_modules/a"
    before = tree_digest(str(root))
    (root / "index.js").write_text("changed")
    assert tree_digest(str(root)) != before


def test_additional_work_tree_shares_the_exclude_file(repository: Path, tmp_path: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["commit", "-q", "--allow-empty", "-m", "x"], ["worktree", "add", "-q", "w"]):
        subprocess.run([*git, *command], cwd=repository, check=True)
    (repository / "w/x.local").touch()
    assert GitIgnore(str(repository / "w")).ignores("x.local", is_dir=False)


def test_rules_apply_without_a_repository(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.sqlite3\n")
    before = tree_digest(str(tmp_path))
    (tmp_path / "db.sqlite3").touch()
    assert tree_digest(str(tmp_path)) == before


@pytest.mark.parametrize("path", [".github/a", "pyproject.toml"])
def test_hidden_directory_and_project_file_are_source(tmp_path: Path, path: str) -> None:
    """Even a project that ignores everything depends on its project file."""
    (tmp_path / ".gitignore").write_text("*\n!.github\n!.github/a\n")
    (tmp_path / ".github").mkdir()
    before = tree_digest(str(tmp_path))
    (tmp_path / path).touch()
    assert tree_digest(str(tmp_path)) != before
