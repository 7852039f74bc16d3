"""`converge show` prints each value of a resource with its place, and its neighbors in the graph."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.command import Completed
from tests.unit.cli_runner import CliRunner
from tests.unit.widget_kind import widget_registry

DECLARATION = """\
[defaults]
size = 3
tags = ["x",
        "y"]

[widget.base]
path = "base"

[widget.copy]
path = "sub/../copy"
tags = [
    "one",
    "two",
]
copies = "widget.base"
read-from = "source"

[gadget.last]
path = "last"
needs = ["widget.copy"]
"""


@pytest.fixture
def show(cli: CliRunner) -> CliRunner:
    """Return a CLI runner with a declaration of three resources."""
    cli.declare("", "source")
    cli.declare(DECLARATION)
    return cli


def run_show(cli: CliRunner, *arguments: str) -> Completed:
    """Show resources of the declaration."""
    return cli.invoke("show", str(cli.directory / "widgets.toml"), *arguments)


def documents(show: CliRunner, *addresses: str) -> list[dict[str, Any]]:
    """Return what `show --json` prints about resources."""
    result = run_show(show, *addresses, "--json")
    assert result.code == 0, result.err
    resources: list[dict[str, Any]] = json.loads(result.out)["resources"]
    return resources


def places(document: dict[str, Any]) -> dict[tuple[Any, ...], tuple[str, int]]:
    """Return the source and the line of each value, by key."""
    return {tuple(place["key"]): (place["source"], place["line"]) for place in document["places"]}


def test_show_prints_a_declaration_with_places(show: CliRunner) -> None:
    out = run_show(show, "widget.copy").out
    rows = [" ".join(line.replace(str(show.directory), "DIR").split()) for line in out.splitlines()]
    file = "DIR/widgets.toml"
    assert rows == [
        f"[widget.copy] # {file}:9",
        f'path = "DIR/copy" # {file}:10',
        f'read-from = "source" # {file}:16',
        f'copies = "widget.base" # {file}:15',
        f"size = 3 # {file}:2 [defaults]",
        "tags = [",
        f'"one", # {file}:12',
        f'"two", # {file}:13',
        "]",
        'text = "" # default',
        'color = "red" # default',
        "enabled = false # default",
        'password = "" # default',
        "needs = [] # default",
        'state = "present" # default',
        "# applied after:",
        f"# widget.base (`copies`, {file}:15)",
        "# applied before:",
        "# gadget.last",
    ]


def test_shown_text_declares_the_same_resources(show: CliRunner) -> None:
    before = documents(show, "*")
    text = run_show(show, "*").out
    assert "[defaults]" in text  # in comments
    show.declare(text)
    after = documents(show, "*")
    same = ("address", "values", "needed_by")
    assert [[document[key] for key in same] for document in after] == [
        [document[key] for key in same] for document in before
    ]


def test_each_value_has_the_place_of_its_line(show: CliRunner) -> None:
    base, copy = documents(show, "widget.base", "widget.copy")
    assert (base["line"], base["column"]) == (6, 9)
    assert places(base)["tags", 0] == ("defaults", 3)
    assert places(base)["tags", 1] == ("defaults", 4)
    assert places(base)["color",] == ("default", 0)
    assert places(copy)["tags", 1] == ("table", 13)
    assert base["values"]["size"] == 3


def test_edges_have_the_values_that_they_follow_from(show: CliRunner) -> None:
    base, copy, last = documents(show, "*")
    assert base["needs"] == []
    assert base["needed_by"] == ["widget.copy"]
    (edge,) = copy["needs"]
    assert (edge["address"], edge["key"], edge["line"]) == ("widget.base", ["copies"], 15)
    (edge,) = last["needs"]
    assert (edge["key"], edge["line"]) == (["needs", 0], 20)


def test_dependency_on_a_path_names_the_value(cli: CliRunner) -> None:
    source = cli.directory / "a"
    cli.declare(f'[widget.a]\npath = "a"\n[widget.b]\npath = "b"\nread-from = "{source}"\n')
    source.write_text("text")
    (edge,) = documents(cli, "widget.b")[0]["needs"]
    assert (edge["address"], edge["key"], edge["line"]) == ("widget.a", ["read-from"], 5)


def test_json_declaration_has_files_without_lines(cli: CliRunner) -> None:
    cli.declare('{"widget": {"a": {"path": "a"}}}')
    (document,) = documents(cli, "widget.a")
    assert (document["line"], places(document)["path",]) == (0, ("table", 0))
    assert f"# {cli.directory}/widgets.toml\n" in run_show(cli, "widget.a").out


def test_place_of_a_default_is_in_its_own_file(cli: CliRunner) -> None:
    cli.declare("[defaults]\nsize = 2\n", "all/defaults.toml")
    cli.declare('[widget.a]\npath = "a"\n', "all/a.toml")
    result = cli.invoke("show", str(cli.directory / "all"), "widget.a")
    assert f"# {cli.directory}/all/defaults.toml:2 [defaults]" in result.out


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["widget.copi"], "`widget.copi` matches no resource", "did you mean `widget.copy`?"),
        (["copy"], "`copy` isn't an address", "use `widget.copy`"),
        (["gadget.*", "nothing"], "`nothing` matches no resource", "declared resources: widget."),
        ([], "missing argument: ADDRESS", "declared resources: widget.base, widget.copy"),
        (["widget.copy", "other.toml"], "`other.toml` matches no resource", "declared resources"),
    ],
)
def test_wrong_address_is_an_error(
    show: CliRunner, arguments: list[str], message: str, hint: str
) -> None:
    result = run_show(show, *arguments)
    assert (result.code, result.out) == (64, "")
    assert message in result.err
    assert hint in result.err


def test_failed_json_document_has_no_resources(show: CliRunner) -> None:
    result = run_show(show, "widget.x", "--json")
    document = json.loads(result.out)
    assert (document["resources"], document["exit"]["code"]) == ([], 64)


def test_address_without_a_file_selects_from_the_default(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.declare('[widget."a/b.json"]\npath = "a"\n', "converge.toml")
    (cli.directory / "widget").mkdir()
    monkeypatch.chdir(cli.directory)
    assert '[widget."a/b.json"]' in cli.invoke("show", "widget.a/b.json").out
    missing = cli.invoke("show", "site.toml", "widget.a")
    assert (missing.code, "no such file: `site.toml`" in missing.err) == (66, True)


def test_secrets_and_controls_are_masked(cli: CliRunner) -> None:
    cli.declare(
        '[widget.a]\npath = "a"\ntext = "https://me:hunter22@h/\\u001b[2J\\u007f"\ntags = ["t"]\n'
    )
    out = run_show(cli, "widget.a").out
    assert 'text = "https://****@h/\\u001b[2J\\U0000007f"' in out
    assert "hunter22" not in out + run_show(cli, "--json", "widget.a").out


def test_show_observes_no_resource(show: CliRunner) -> None:
    def fail(_spec: object) -> None:
        raise OSError("observed")

    show.registry = lambda: widget_registry(before_observe=fail)
    assert run_show(show, "*").code == 0
