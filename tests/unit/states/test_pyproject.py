"""The requirements of a `pyproject.toml` that is named in `requirements`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from states.venv.resolve.projects.pyproject import project_lines
from states.venv.resolve.subset import Subset
from tests.unit.states.values import validate_table

PROJECT = """\
[project]
name = "Web_App"
version = "1"
dependencies = [
    "alpha>=1",
    "local @ file:../local",
]

[project.optional-dependencies]
Redis = ["redis; os_name == 'posix'"]
all = ["web-app[redis, all]; python_version > '3'", "beta"]

[dependency-groups]
prod = ["uwsgi", { include-group = "Base_Set" }]
base-set = ["gamma"]
"""


def _lines(text: str, *, extra: str = "", group: str = "") -> list[str]:
    subset = Subset(frozenset(filter(None, [extra])), frozenset(filter(None, [group])))
    lines = list(project_lines("/srv/web/pyproject.toml", text, subset))
    assert [line.error for line in lines if line.error] == []
    return [line.text for line in lines]


def test_dependencies_have_their_places() -> None:
    alpha, local = project_lines("/srv/web/pyproject.toml", PROJECT, Subset())
    assert alpha.text == "alpha>=1"
    assert alpha.location() == "`/srv/web/pyproject.toml` line 5"
    assert local.local_path() == "/srv/local"


def test_extra_includes_other_extras_of_the_project() -> None:
    """With both markers, and without the project itself."""
    _, _, redis, beta = _lines(PROJECT, extra="all")
    assert redis == 'redis; os_name == "posix" and python_version > "3"'
    assert beta == "beta"
    assert _lines(PROJECT, extra="redis")[2:] == ['redis; os_name == "posix"']


def test_group_includes_other_groups() -> None:
    assert _lines(PROJECT, group="prod")[2:] == ["uwsgi", "gamma"]


def test_groups_need_no_project() -> None:
    text = PROJECT[PROJECT.index("[dependency-groups]") :]
    assert _lines(text, group="base-set") == ["gamma"]


INVALID = {
    "not a requirement": ("dependencies = ['a==']", "invalid requirement `a==`"),
    "not a string": ("dependencies = [3]", "invalid requirement `3`"),
    "option": ("dependencies = ['-r other.txt']", "an option instead of a package"),
    "variable": ("dependencies = ['a @ file:///${HOME}/a']", "environment variables"),
    "password": ("dependencies = ['a @ https://u:secret@h/a.zip']", "a password isn't allowed"),
    "dynamic": ("dynamic = ['dependencies']", "is dynamic, so only a build can determine it"),
    "cycle": ("[dependency-groups]\ng = [{include-group = 'g'}]", "the group `g` includes itself"),
    "unknown group": ("[dependency-groups]\ng = [{include-group = 'h'}]", "no dependency group"),
    "unknown item": ("[dependency-groups]\ng = [{x = 'h'}]", "invalid item in the group `g`"),
    "syntax": ("dependencies = [", "invalid TOML"),
}


@pytest.mark.parametrize(("text", "message"), INVALID.values(), ids=INVALID)
def test_invalid_project_is_reported(tmp_path: Path, text: str, message: str) -> None:
    groups = ("g",) if "g = " in text else ()
    (tmp_path / "pyproject.toml").write_text(f"[project]\nname = 'web'\n{text}\n")
    _, diagnostics = validate_table(tmp_path, requirements=("pyproject.toml",), groups=groups)
    assert len(diagnostics) == 1
    ((key, reported, _),) = diagnostics
    assert key == ("requirements", 0)
    assert f"{tmp_path}/pyproject.toml" in reported
    assert message in reported
    assert "secret" not in reported


@pytest.mark.parametrize("text", [None, "dependencies = ["])
def test_missing_or_invalid_project_is_the_only_error(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    _, diagnostics = validate_table(
        tmp_path, requirements=("pyproject.toml",), extras=("a",), groups=("b",)
    )
    assert [key for key, _, _ in diagnostics] == [("requirements", 0)]


@pytest.mark.parametrize("dynamic", ["true", "5", "'version'"])
def test_dynamic_keys_of_another_type_are_ignored(tmp_path: Path, dynamic: str) -> None:
    """Another tool reports them."""
    text = f"[project]\nname = 'web'\ndependencies = ['a']\ndynamic = {dynamic}\n"
    (tmp_path / "pyproject.toml").write_text(text)
    assert validate_table(tmp_path, requirements=("pyproject.toml",))[1] == []


@pytest.mark.parametrize(
    ("text", "hint"),
    [("", "add it (PEP 621)"), ("[tool.poetry.dependencies]\na = '*'", "run `poetry export")],
)
def test_project_without_a_project_table_is_reported(tmp_path: Path, text: str, hint: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    _, ((_, message, reported_hint),) = validate_table(tmp_path, requirements=("pyproject.toml",))
    assert message == f"`{tmp_path}/pyproject.toml`: no table `[project]`"
    assert hint in reported_hint


SOURCE = '[tool.uv.sources]\nalpha = { index = "private" }\nother = { path = "x" }\n'
INDEX = '[[tool.uv.index]]\nname = "private"\nurl = "https://private.example/simple"\n'


@pytest.mark.parametrize(
    ("settings", "fields", "expected"),
    [
        (SOURCE, {}, "`tool.uv.sources` of `alpha` has no effect in `requirements`"),
        (INDEX, {}, "`tool.uv.index` has no effect in `requirements`"),
        (SOURCE, {"overrides": ("alpha==1",)}, ""),
        (SOURCE, {"package_index_url": {"Alpha": "https://private.example/simple"}}, ""),
        (INDEX, {"index_url": "https://private.example/simple"}, ""),
        (INDEX, {"no_index": True}, ""),
    ],
)
def test_source_that_the_project_names_is_never_ignored(
    tmp_path: Path, settings: str, fields: dict[str, Any], expected: str
) -> None:
    """Unless the declaration replaces the source."""
    text = "[project]\nname = 'web'\ndependencies = ['alpha']\n"
    (tmp_path / "pyproject.toml").write_text(text + settings)
    _, diagnostics = validate_table(tmp_path, requirements=("pyproject.toml",), **fields)
    assert [message.partition(": ")[2] for _, message, _ in diagnostics] == [expected][
        : bool(expected)
    ]


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        (INDEX, "set `index-url` or `package-index-url` in the declaration"),
        ("[tool.uv]\nfind-links = ['wheels']\n", "set `find-links` in the declaration"),
    ],
)
def test_hint_names_the_key_that_replaces_a_setting(
    tmp_path: Path, settings: str, hint: str
) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[project]\nname = 'web'\n{settings}")
    _, ((_, _, reported),) = validate_table(tmp_path, requirements=("pyproject.toml",))
    assert hint in reported


def test_only_selected_requirements_are_inputs(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"

    def inputs(text: str) -> str:
        file.write_text(text.replace('    "local @ file:../local",\n', ""))
        spec, diagnostics = validate_table(
            tmp_path, requirements=("pyproject.toml",), groups=("prod",)
        )
        assert diagnostics == []
        return spec.inputs

    before = inputs(PROJECT)
    assert inputs(PROJECT.replace("os_name == 'posix'", "os_name != 'posix'")) == before
    assert inputs(PROJECT.replace('version = "1"', 'version = "2"')) == before
    assert inputs(PROJECT.replace('["gamma"]', '["gamma>1"]')) != before
