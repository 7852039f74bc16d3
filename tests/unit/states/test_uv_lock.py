"""A declared `uv.lock`: whether it is valid, and fits its project and the declaration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.states.values import validate_table

PROJECT = """\
[project]
name = "Web.App"
version = "1"
requires-python = ">=3.9"
dependencies = [
    "Alpha[Fast_IO]>=2, <3.0; python_version >= '3.8'",
    "pre == 1.0.alpha1",
    "git-tool",
    "core",
    "beta ; extra == 'x'",
]
[project.optional-dependencies]
Redis = ["redis (>=1)"]
all = ["web-app[redis]"]
[dependency-groups]
Base_Set = ["gamma~=1.0"]
prod = [{ include-group = "base-set" }, "uwsgi==2.0.*"]
none = []
[tool.uv]
override-dependencies = ["delta<3"]
constraint-dependencies = ["gamma>=1"]
dev-dependencies = ["pytest"]
[tool.uv.sources]
git-tool = { git = "https://example.org/tool.git", tag = "v1" }
core = { workspace = true }
[tool.uv.workspace]
members = ["packages/core"]
"""
CORE = '[project]\nname = "core"\nversion = "1"\ndynamic = ["dependencies"]\n'
LOCK = """\
version = 1
revision = 3
requires-python = ">=3.9"

[manifest]
members = ["core", "web-app"]
constraints = [{ name = "gamma", specifier = ">=1" }]
overrides = [{ name = "delta", specifier = "<3" }]

[[package]]
name = "core"
source = { editable = "packages/core" }
[package.metadata]
requires-dist = [{ name = "six" }]
[package.metadata.requires-dev]

[[package]]
name = "gamma"
version = "1.0"
source = { registry = "wheels" }
wheels = [{ path = "gamma-1.0-py3-none-any.whl" }]

[[package]]
name = "web-app"
version = "1"
source = { editable = "." }
[package.metadata]
requires-dist = [
    { name = "alpha", extras = ["fast-io"], specifier = ">=2,<3.0" },
    { name = "beta", marker = "extra == 'x'" },
    { name = "core", editable = "packages/core" },
    { name = "git-tool", git = "https://example.org/tool.git?tag=v1" },
    { name = "pre", specifier = "==1.0a1" },
    { name = "redis", marker = "extra == 'redis'", specifier = ">=1" },
    { name = "web-app", extras = ["redis"], marker = "extra == 'all'" },
]
provides-extras = ["redis", "all"]
[package.metadata.requires-dev]
base-set = [{ name = "gamma", specifier = "~=1.0" }]
dev = [{ name = "pytest" }]
none = []
prod = [{ name = "gamma", specifier = "~=1.0" }, { name = "uwsgi", specifier = "==2.0.*" }]
"""


def _write(directory: Path, project: str = PROJECT, lock: str = LOCK) -> None:
    (directory / "packages/core").mkdir(parents=True, exist_ok=True)
    (directory / "packages/core/pyproject.toml").write_text(CORE)
    (directory / "pyproject.toml").write_text(project)
    (directory / "uv.lock").write_text(lock)


def test_lock_of_the_project_is_valid(tmp_path: Path) -> None:
    """Also if uv wrote requirements in another form."""
    _write(tmp_path)
    spec, diagnostics = validate_table(
        tmp_path, lock="uv.lock", extras=("REDIS",), groups=("base_set", "dev", "none")
    )
    assert diagnostics == []
    # A wheel without a hash is an input. Directories are compared when the venv is observed.
    assert sorted(spec.local_digests()) == [
        str(tmp_path),
        f"{tmp_path}/packages/core",
        f"{tmp_path}/wheels/gamma-1.0-py3-none-any.whl",
    ]


STALE = {
    "new requirement": ('"core",', '"core", "new>1",', "requires `new>1`"),
    "removed requirement": ('    "pre == 1.0.alpha1",\n', "", "no longer requires `pre==1.0a1`"),
    "version": ("<3.0", "<4", "requires `alpha[fast-io]<4,>=2`"),
    "extra of a package": ("[Fast_IO]", "", "requires `alpha<3.0,>=2`"),
    "requirement of an extra": ("(>=1)", ">=2", "requires `redis>=2`"),
    "requirement moved out of an extra": (
        '    "core",\n',
        '    "core", "redis>=1",\n',
        "requires `redis>=1`",
    ),
    "group": ('"uwsgi==2.0.*"', '"uwsgi"', "requires `uwsgi` in the group `prod`"),
    "included group": ('"gamma~=1.0"', '"gamma"', "requires `gamma` in the group `base-set`"),
    "new group": ("none = []", 'none = []\nmore = ["x"]', "requires `x` in the group `more`"),
    "group of uv": ('["pytest"]', '["pytest>8"]', "requires `pytest>8` in the group `dev`"),
    "revision": ('tag = "v1"', 'tag = "v2"', "requires another revision of `git-tool`"),
    "branch": ('tag = "v1"', 'branch = "v1"', "requires another revision of `git-tool`"),
    "override": ("delta<3", "delta<4", "has the override `delta<4`"),
    "constraint": ("gamma>=1", "gamma>=2", "has the constraint `gamma>=2`"),
}


@pytest.mark.parametrize(("old", "new", "change"), STALE.values(), ids=STALE)
def test_lock_older_than_its_project_is_an_error(
    tmp_path: Path, old: str, new: str, change: str
) -> None:
    """It names the change, and the command that updates the lock."""
    assert old in PROJECT
    _write(tmp_path, PROJECT.replace(old, new, 1))
    _, ((key, message, hint),) = validate_table(tmp_path, lock="uv.lock")
    assert key == ("lock",)
    assert message == (f"`{tmp_path}/uv.lock` is out of date: `{tmp_path}/pyproject.toml` {change}")
    assert hint == f"run `uv lock --project {tmp_path}`"


INVALID: dict[str, tuple[dict[str, Any], tuple[Any, ...], str, str]] = {
    "packages": ({"packages": ("a",)}, ("packages",), "`packages` can't be combined", "`uv add`"),
    "pyproject.toml": (
        {"requirements": ("pyproject.toml",), "overrides": ("core==1", "git-tool==1")},
        ("requirements",),
        "`requirements` can't be combined",
        "remove it",
    ),
    "member": ({"workspace_member": "cor"}, ("workspace-member",), "no member `cor`", "`core`?"),
    "extra": ({"extras": ("rediss",)}, ("extras", 0), "no extra `rediss`", "`redis`?"),
    "extra of another member": (
        {"extras": ("redis",), "workspace_member": "core"},
        ("extras", 0),
        "no extra `redis`",
        "the file declares none",
    ),
    "group": ({"groups": ("x",)}, ("groups", 0), "no dependency group `x`", "`base-set`, `dev`"),
}


@pytest.mark.parametrize(("fields", "key", "message", "hint"), INVALID.values(), ids=INVALID)
def test_key_that_does_not_fit_is_reported_at_its_place(
    tmp_path: Path, fields: dict[str, Any], key: tuple[Any, ...], message: str, hint: str
) -> None:
    _write(tmp_path)
    _, ((reported_key, reported, reported_hint),) = validate_table(
        tmp_path, lock="uv.lock", index_url="https://example.org/simple", **fields
    )
    assert reported_key == key
    assert message in reported
    assert hint in reported_hint


@pytest.mark.parametrize(
    "lock", ["version = [", "package = 3", "[[package]]\nsource = {editable = 1}", "package = [1]"]
)
def test_invalid_lock_is_one_error(tmp_path: Path, lock: str) -> None:
    """Or none: uv reports the others."""
    _write(tmp_path, lock=lock)
    _, diagnostics = validate_table(tmp_path, lock="uv.lock", extras=("redis",))
    assert len(diagnostics) == 1
    assert diagnostics[0][2]


@pytest.mark.parametrize("specifier", ['"<3"', '">=2,<3.0"'])
def test_invalid_version_in_the_lock_is_an_error(tmp_path: Path, specifier: str) -> None:
    _write(tmp_path, lock=LOCK.replace(specifier, '"x"'))
    _, ((_, message, _),) = validate_table(tmp_path, lock="uv.lock")
    assert message == f"invalid lockfile of uv: `{tmp_path}/uv.lock`"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"core",', "5,"),
        ('version = "1"', 'version = "1"\ndynamic = true'),
        ('Redis = ["redis (>=1)"]', "Redis = 5"),
        ('["pytest"]', "5"),
        ('"delta<3"', "5"),
    ],
)
def test_invalid_project_is_not_blamed_on_the_lock(tmp_path: Path, old: str, new: str) -> None:
    """uv reports it."""
    assert old in PROJECT
    _write(tmp_path, PROJECT.replace(old, new, 1))
    assert validate_table(tmp_path, lock="uv.lock")[1] == []


@pytest.mark.parametrize("missing", ["uv.lock", "pyproject.toml", "packages/core/pyproject.toml"])
def test_missing_file_is_an_error(tmp_path: Path, missing: str) -> None:
    _write(tmp_path)
    (tmp_path / missing).unlink()
    _, ((key, message, hint),) = validate_table(tmp_path, lock="uv.lock")
    assert key == ("lock",)
    assert missing in message
    assert f"run `uv lock --project {tmp_path}`" in hint


FILES: dict[str, tuple[dict[str, Any], str]] = {
    "lock = pyproject.toml": ({"lock": "pyproject.toml"}, "name it in `requirements`"),
    "lock = pdm.lock": ({"lock": "pdm.lock"}, "run `pdm export --format pylock"),
    "lock = poetry.lock": ({"lock": "poetry.lock"}, "run `poetry export --output"),
    "requirements = uv.lock": ({"requirements": ("uv.lock",)}, "write `lock = "),
    "constraints = pyproject.toml": ({"constraints": ("pyproject.toml",)}, "name it in"),
    "remote pyproject.toml": ({"requirements": ("https://h/pyproject.toml",)}, "a local copy"),
    "remote uv.lock": ({"requirements": ("https://h/uv.lock",)}, "a local copy"),
    "no uv.lock": ({"no_install_project": True}, ""),
}


@pytest.mark.parametrize(("fields", "hint"), FILES.values(), ids=FILES)
def test_file_of_a_project_manager_at_a_wrong_place_has_a_hint(
    tmp_path: Path, fields: dict[str, Any], hint: str
) -> None:
    _write(tmp_path)
    _, ((_, _, reported),) = validate_table(tmp_path, **fields)
    assert hint in reported


def test_selection_is_an_input(tmp_path: Path) -> None:
    _write(tmp_path)
    choices: list[dict[str, Any]] = [
        {},
        {"extras": ("redis",)},
        {"groups": ("prod",)},
        {"workspace_member": "core"},
        {"no_install_project": True},
    ]
    specs = [validate_table(tmp_path, lock="uv.lock", **fields)[0] for fields in choices]
    assert len({spec.inputs for spec in specs}) == len(choices)
    # The source of a project counts when its venv is observed.
    _write(tmp_path, PROJECT.replace('version = "1"', 'version = "2"'))
    assert validate_table(tmp_path, lock="uv.lock")[0].inputs == specs[0].inputs


def test_lock_command_does_not_read_it(tmp_path: Path) -> None:
    _write(tmp_path, lock="invalid")
    _, diagnostics = validate_table(tmp_path, lock="uv.lock", extras=("redis",), locking=True)
    assert diagnostics == []
