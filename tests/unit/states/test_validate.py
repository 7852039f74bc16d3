"""Validation of a `[venv.*]` table: each diagnostic at its key, and absolute paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.declaration.inputs import InputLog, TableInputs, file_digest
from states.venv.resolve.validate import validate
from states.venv.sources.tree import tree_digest
from states.venv.spec import Venv

Key = tuple[str | int, ...]


def _complete(
    directory: Path, *, name: str = "web", locking: bool = False, **fields: Any
) -> tuple[Venv, list[tuple[Key, str, str]]]:
    """Return the spec, and key, message and hint of each diagnostic."""
    log = InputLog({"source-tree": tree_digest, "local-file": file_digest})
    source = TableInputs(str(directory / "site.toml"), str(directory), ("venv", name), {}, log)
    spec = validate(Venv(**{"path": "web", **fields}), source, locking=locking)
    return spec, [
        (diagnostic.key[2:], diagnostic.message, diagnostic.hint) for diagnostic in log.diagnostics
    ]


def test_valid_table_has_no_diagnostic(tmp_path: Path) -> None:
    """The defaults are valid, and the spec names its declaration."""
    spec, diagnostics = _complete(tmp_path)
    assert diagnostics == []
    assert spec.path == str(tmp_path / "web")
    assert spec.mode == "0755"
    assert spec.declared == f"{tmp_path}/site.toml venv.web"
    assert spec.inputs


ABSOLUTE: dict[str, tuple[dict[str, Any], str, Any]] = {
    "path": ({"path": "../srv/./web"}, "path", "{up}/srv/web"),
    "requirement file": ({"requirements": ("r.txt",)}, "requirements", ("{here}/r.txt",)),
    "constraint URL": ({"constraints": ("https://x/c",)}, "constraints", ("https://x/c",)),
    "find-links": ({"find_links": ("wheels",)}, "find_links", ("{here}/wheels",)),
    "netrc": ({"netrc": "netrc"}, "netrc", "{here}/netrc"),
    "index from file": ({"index_url": "file:index"}, "index_url", "file:{here}/index"),
    "index from variable": ({"index_url": "env:INDEX"}, "index_url", "env:INDEX"),
    "index": ({"index_url": "https://u:p@x/simple"}, "index_url", "https://u:p@x/simple"),
    "directory index": ({"index_url": "file:///srv/simple"}, "index_url", "file:///srv/simple"),
    "persistent": ({"persistent": ("etc/./web/",)}, "persistent", ("etc/web",)),
    "mode": ({"mode": "700"}, "mode", "0700"),
    "requirement": ({"packages": ("web >= 1", " ")}, "packages", ("web>=1",)),
    "project": ({"packages": ("a @ ./a",)}, "packages", ("a@ file://{here}/a",)),
}


@pytest.mark.parametrize(("fields", "key", "expected"), ABSOLUTE.values(), ids=ABSOLUTE)
def test_field_is_normalized(
    tmp_path: Path, fields: dict[str, Any], key: str, expected: Any
) -> None:
    """Paths are relative to the declaration."""
    (tmp_path / "r.txt").touch()
    (tmp_path / "a").mkdir()
    places = {"here": str(tmp_path), "up": str(tmp_path.parent)}
    spec, diagnostics = _complete(tmp_path, **fields)
    wanted = (
        expected.format(**places)
        if isinstance(expected, str)
        else tuple(text.format(**places) for text in expected)
    )
    value = getattr(spec, key)
    if key == "packages":
        value = tuple(text.replace("a @ ", "a@ ") for text in value)
    assert value == wanted
    assert diagnostics == []


REJECTED: list[tuple[dict[str, Any], Key, str]] = [
    ({"name": "-web"}, (), "-web"),
    ({"name": "a b"}, (), "a b"),
    ({"name": "a" * 65}, (), "a" * 65),
    ({"name": "wéb"}, (), "wéb"),
    ({"mode": "rwx"}, ("mode",), "rwx"),
    ({"mode": "0855"}, ("mode",), "0855"),
    ({"mode": "0775"}, ("mode",), "0775"),
    ({"mode": "0757"}, ("mode",), "0757"),
    ({"python": "python3"}, ("python",), "python3"),
    ({"python": ""}, ("python",), ""),
    ({"ignore_error_codes": (401, 500)}, ("ignore-error-codes", 1), "`500`"),
    ({"package_index_url": {"a/b": "https://x"}}, ("package-index-url", "a/b"), "`a/b`"),
    ({"package_index_url": {"web": "x"}}, ("package-index-url", "web"), "`x`"),
    ({"package_index_url": {"web": ""}}, ("package-index-url", "web"), "`web`"),
    ({"build_variables": {"A-B": "1"}}, ("build-variables", "A-B"), "`A-B`"),
    ({"build_variables": {"UV_INDEX": "x"}}, ("build-variables", "UV_INDEX"), "`UV_INDEX`"),
    ({"build_variables": {"HOME": "/"}}, ("build-variables", "HOME"), "`HOME`"),
    ({"build_variables": {"PATH": "/a:b"}}, ("build-variables", "PATH"), "`b`"),
    ({"build_variables": {"A": "https://u:p@x"}}, ("build-variables", "A"), "password"),
    (
        {"build_variables_package": {"a": {"1": ""}}},
        ("build-variables-package", "a", "1"),
        "`1`",
    ),
    ({"build_variables_package": {"a>1": {}}}, ("build-variables-package", "a>1"), "`a>1`"),
    ({"config_settings": {" ": "1"}}, ("config-settings", " "), "empty name"),
    (
        {"config_settings_package": {"a_b": {"c": "1"}, "A-B": {"c": "1"}}},
        ("config-settings-package", "A-B"),
        "duplicate package `A-B`",
    ),
    (
        {"config_settings_package": {"a": {"c": ("https://u:p@x",)}}},
        ("config-settings-package", "a", "c"),
        "password",
    ),
    ({"extra_build_dependencies": {"a": ("b=1",)}}, ("extra-build-dependencies", "a", 0), "b=1"),
    *[
        (
            {"extra_build_dependencies": {"a": (reference,)}},
            ("extra-build-dependencies", "a", 0),
            "can't be a path",
        )
        for reference in ("b @ ../b", "./b", "-e ./b", "file:///b", "file:./b", "b/", "~/b")
    ],
    ({"download_timeout": 0}, ("download-timeout",), "between 1 and 3600"),
    ({"download_retries": -1}, ("download-retries",), "between 0 and 20"),
    ({"exclude_newer": "7 days"}, ("exclude-newer",), "7 days"),
    ({"exclude_newer": "2026-02-30"}, ("exclude-newer",), "2026-02-30"),
    ({"exclude_newer": "2026-01-01T12"}, ("exclude-newer",), "2026-01-01T12"),
    ({"keep": -1}, ("keep",), "keep"),
    ({"path": ""}, ("path",), ""),
    ({"path": "a\nb"}, ("path",), "a\\nb"),
    ({"path": "web/.."}, ("path",), "web/.."),
    ({"path": "."}, ("path",), "."),
    ({"path": "a:b"}, ("path",), "a:b"),
    ({"path": "/usr"}, ("path",), "/usr"),
    ({"path": "/usr/bin/"}, ("path",), "/usr/bin"),
    ({"path": "~/web"}, ("path",), "~/web"),
    ({"path": "$HOME/web"}, ("path",), "$HOME/web"),
    ({"persistent": ("etc", "/etc/web")}, ("persistent", 1), "/etc/web"),
    ({"persistent": ("../etc",)}, ("persistent", 0), "../etc"),
    ({"persistent": (".",)}, ("persistent", 0), "."),
    ({"persistent": ("bin",)}, ("persistent", 0), "bin"),
    ({"persistent": (".converge/x",)}, ("persistent", 0), ".converge/x"),
    ({"persistent": ("lib/python3.11/site-packages",)}, ("persistent", 0), "site-packages"),
    ({"persistent": ("etc", "etc/web")}, ("persistent", 1), "etc/web"),
    ({"ignore": ("/var/*",)}, ("ignore", 0), "/var/*"),
    ({"system_packages": ("libvirt", "a/b")}, ("system-packages", 1), "a/b"),
    ({"system_packages": (" ",)}, ("system-packages", 0), " "),
    ({"smoke": ("true", "echo 'x")}, ("smoke", 1), ""),
    ({"smoke": ("",)}, ("smoke", 0), ""),
    ({"smoke": ("''",)}, ("smoke", 0), ""),
    ({"packages": ("web", "web=1")}, ("packages", 1), "web=1"),
    ({"packages": ("web @ https://u:secret@x/w.whl",)}, ("packages", 0), "x/w.whl"),
    ({"packages": ("web @ ./missing",)}, ("packages", 0), "/missing"),
    ({"overrides": ("./web",)}, ("overrides", 0), "./web"),
    ({"find_links": ("https://u:secret@x/",)}, ("find-links", 0), "x/"),
    ({"find_links": ("wheels", "")}, ("find-links", 1), ""),
    ({"index_url": "x/simple"}, ("index-url",), "x/simple"),
    ({"index_url": "https://a https://b"}, ("index-url",), "https://a https://b"),
    ({"extra_index_url": ("https://x", "")}, ("extra-index-url", 1), ""),
    ({"requirements": ("missing.txt",)}, ("requirements", 0), "/missing.txt"),
    ({"lock": "missing.toml"}, ("lock",), "/missing.toml"),
]


@pytest.mark.parametrize(("fields", "key", "part"), REJECTED)
def test_rejected_value_is_reported_at_its_key(
    tmp_path: Path, fields: dict[str, Any], key: Key, part: str
) -> None:
    """The message contains the value, and never a password."""
    _, ((reported, message, hint),) = _complete(tmp_path, **fields)
    assert reported == key
    assert part in message
    assert "secret" not in message + hint


ACCEPTED: list[dict[str, Any]] = [
    {"name": "a" * 64},
    {"name": "web-1.0_b+c"},
    {"mode": "750"},
    {"python": "interpreter.main"},
    {"python": ">=3.11,<3.13"},
    {"exclude_newer": "2026-01-31"},
    {"exclude_newer": "2026-01-31T12:00:00Z"},
    {"exclude_newer": "2026-01-31 12:00:00.5+02:00"},
    {"persistent": ("etc/web", "etc/web2", "library")},
    {"smoke": ("web --version", "sh -c 'exit 0'")},
    {"index_url": ""},
    {"lock": "missing.toml", "locking": True},
    {"state": "absent", "packages": ("web @ ./missing",), "requirements": ("missing.txt",)},
]


@pytest.mark.parametrize("fields", ACCEPTED, ids=lambda fields: next(iter(fields)))
def test_valid_value_is_accepted(tmp_path: Path, fields: dict[str, Any]) -> None:
    """Values at the limits, and files that need not exist."""
    assert _complete(tmp_path, **fields)[1] == []


def test_line_of_requirement_file_is_reported_with_its_place(tmp_path: Path) -> None:
    """The message has the nested file and its line."""
    (tmp_path / "top.txt").write_text("api\n-r more.txt\n")
    (tmp_path / "more.txt").write_text("# comment\nweb=1\n-r missing.txt\n./missing.whl\n")
    _, diagnostics = _complete(tmp_path, requirements=("top.txt",))
    assert {key for key, _, _ in diagnostics} == {("requirements", 0)}
    messages = [message for _, message, _ in diagnostics]
    for number, text in ((2, "web=1"), (3, "/missing.txt"), (4, "/missing.whl")):
        place = f"`{tmp_path}/more.txt` line {number}"
        assert [message for message in messages if place in message and text in message]


def test_all_diagnostics_are_reported_at_once(tmp_path: Path) -> None:
    """One run shows every error of a table."""
    _, diagnostics = _complete(tmp_path, mode="x", keep=-1, packages=("=",), smoke=("",))
    assert len(diagnostics) == 4


DIGESTED: list[dict[str, Any]] = [
    {"packages": ("web",)},
    {"overrides": ("web==1",)},
    {"requirements": ("r.txt",)},
    {"constraints": ("r.txt",)},
    {"build_constraints": ("r.txt",)},
    {"index_url": "https://x"},
    {"extra_index_url": ("https://x",)},
    {"find_links": ("wheels",)},
    {"no_index": True},
    {"exclude_newer": "2026-01-01"},
    {"packages": ("a @ ./project",)},
]


def test_each_input_changes_the_digest(tmp_path: Path) -> None:
    """Versions follow from these fields, and from nothing else."""
    (tmp_path / "r.txt").write_text("web==1\n")
    (tmp_path / "project").mkdir()
    digests = [_complete(tmp_path, **fields)[0].inputs for fields in [{}, *DIGESTED]]
    assert len(set(digests)) == len(digests)


UNDIGESTED: list[dict[str, Any]] = [
    {"keep": 3},
    {"mode": "0700"},
    {"smoke": ("true",)},
    {"python": "3.11"},
    {"path": "other"},
    {"netrc": "netrc"},
]


@pytest.mark.parametrize("fields", UNDIGESTED, ids=lambda fields: next(iter(fields)))
def test_other_fields_keep_the_digest(tmp_path: Path, fields: dict[str, Any]) -> None:
    """They don't select versions."""
    assert _complete(tmp_path, **fields)[0].inputs == _complete(tmp_path)[0].inputs


def test_digest_ignores_order_and_passwords(tmp_path: Path) -> None:
    """A new password and another order of packages resolve to the same versions."""
    first, _ = _complete(tmp_path, packages=("a", "b"), index_url="https://u:one@x/simple")
    second, _ = _complete(tmp_path, packages=("b", "a"), index_url="https://u:two@x/simple")
    assert first.inputs == second.inputs


def test_digest_follows_content_of_files_and_projects(tmp_path: Path) -> None:
    """Comments don't count, wheels do. The receipt records the source of a project."""
    wheel = "a @ ./a-1-py3-none-any.whl"
    fields: dict[str, Any] = {"requirements": ("r.txt",), "packages": ("b @ ./project", wheel)}
    (tmp_path / "project").mkdir()
    (tmp_path / "a-1-py3-none-any.whl").touch()
    (tmp_path / "r.txt").write_text("web==1\n")
    first, _ = _complete(tmp_path, **fields)
    (tmp_path / "r.txt").write_text("# comment\nweb==1  # another\n")
    assert _complete(tmp_path, **fields)[0].inputs == first.inputs
    (tmp_path / "r.txt").write_text("web==2\n")
    assert _complete(tmp_path, **fields)[0].inputs != first.inputs
    (tmp_path / "r.txt").write_text("web==1\n")
    (tmp_path / "project/a.py").touch()
    assert _complete(tmp_path, **fields)[0].inputs == first.inputs
    (tmp_path / "a-1-py3-none-any.whl").write_text("other")
    assert _complete(tmp_path, **fields)[0].inputs != first.inputs


HINTS = {
    "app=1.0": ("`app=1.0`: `=` isn't an operator", "did you mean `app==1.0`?"),
    "app[tls] => 2": ("`=>` isn't an operator", "did you mean `app[tls]>=2`?"),
    "app 1.0": ("no operator before the version", "did you mean `app==1.0`?"),
    "./wheels/app-1.0-py3-none-any.whl": (
        "a path without the name of its package",
        "write `app @ ./wheels/app-1.0-py3-none-any.whl`",
    ),
    "./wheels/app.whl": ("a path", "write `app @ ./wheels/app.whl`"),
    "../my project": ("a path", "write `name @ ../my project`"),
    "git+https://h/x.git@v1": ("a URL", "write `x @ git+https://h/x.git@v1`"),
    "git+https://h/x.git#egg=web": ("a URL", "write `web @ git+https://h/x.git`"),
    "-r requirements.txt": ("an option", 'write `requirements = ["requirements.txt"]`'),
    "--constraint=c.txt": ("an option", 'write `constraints = ["c.txt"]`'),
    "-e ./app": ("an option", "write `app @ ./app`"),
    "requirements.txt": ("a file", 'write `requirements = ["requirements.txt"]`'),
    "constraints.txt": ("a file", 'write `constraints = ["constraints.txt"]`'),
    "app==": ("`app==`: expected", "use PEP 508 syntax"),
}


@pytest.mark.parametrize(("text", "expected"), HINTS.items(), ids=HINTS)
def test_invalid_package_gets_the_form_that_was_meant(
    tmp_path: Path, text: str, expected: tuple[str, str]
) -> None:
    _, ((key, message, hint),) = _complete(tmp_path, packages=("web", text))
    assert key == ("packages", 1)
    assert expected[0] in message
    assert expected[1] in hint


def test_missing_file_gets_the_name_of_a_similar_one(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").touch()
    _, ((_, _, hint),) = _complete(tmp_path, requirements=("requirments.txt",))
    assert hint == f"did you mean `{tmp_path}/requirements.txt`?"


def test_settings_of_builds_are_absolute_and_normalized(tmp_path: Path) -> None:
    """The spec contains them as text, so that it stays flat."""
    spec, diagnostics = _complete(
        tmp_path,
        build_variables={"TOKEN": "file:token", "URL": "file:///x"},
        config_settings={"a": ("1", "2")},
        extra_build_dependencies={"Foo.Bar": ("Torch>=2",)},
    )
    assert diagnostics == []
    assert json.loads(spec.build_settings) == {
        "build-variables": {"TOKEN": f"file:{tmp_path}/token", "URL": "file:///x"},
        "build-variables-package": {},
        "config-settings": {"a": ["1", "2"]},
        "config-settings-package": {},
        "extra-build-dependencies": {"foo-bar": [["torch", "Torch>=2"]]},
    }


@pytest.mark.parametrize("url", ["https://h.example/b.zip", "git+https://h.example/b"])
def test_build_requirement_may_have_a_remote_url(tmp_path: Path, url: str) -> None:
    """The hint for a URL without a name contains a valid form."""
    _, ((_, _, hint),) = _complete(tmp_path, extra_build_dependencies={"a": (url,)})
    text = hint.partition("`")[2].rstrip("`")
    assert text == f"b @ {url}"
    assert _complete(tmp_path, extra_build_dependencies={"a": (text,)})[1] == []


def test_empty_settings_of_builds_change_no_digest(tmp_path: Path) -> None:
    """So a venv of an earlier release isn't built again."""
    plain, _ = _complete(tmp_path)
    empty, _ = _complete(
        tmp_path, build_variables={}, config_settings_package={"a": {}}, config_settings={}
    )
    changed, _ = _complete(tmp_path, build_variables={"A": "1"})
    assert (plain.inputs, plain.build_settings) == (empty.inputs, "")
    assert changed.inputs != plain.inputs


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("web --config-settings a=1", "`a` differs"),
        ("web --config-settings a", "invalid setting `a`"),
        ("web --config-settings==1", "invalid value `=1`"),
        ("--config-settings a=1", "unsupported option `--config-settings`"),
        ("web --global-option=x", "unsupported option `--global-option`"),
        ("web -C a=https://u:p@x", "password"),
    ],
)
def test_settings_in_a_line_are_reported_with_their_place(
    tmp_path: Path, line: str, message: str
) -> None:
    (tmp_path / "r.txt").write_text(f"\n{line}\n")
    _, diagnostics = _complete(
        tmp_path, requirements=("r.txt",), config_settings_package={"web": {"a": "2"}}
    )
    ((key, text, hint),) = diagnostics
    assert key[0] == "requirements"
    assert f"`{tmp_path}/r.txt` line 2: " in text
    assert message in text
    assert hint


def test_settings_in_a_constraint_are_an_error(tmp_path: Path) -> None:
    """pip ignores them."""
    (tmp_path / "c.txt").write_text("web==1 -C a=1\n")
    _, diagnostics = _complete(tmp_path, constraints=("c.txt",))
    ((key, text, _),) = diagnostics
    assert key == ("constraints", 0)
    assert "unsupported option" in text
