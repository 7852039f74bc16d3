"""Invalid declarations: every error is reported with its location and a hint."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import tomli

from engine.declaration.diagnostics import DeclarationError
from engine.declaration.load import load_declaration, read_sources
from engine.frozen import replace
from engine.output.snippets import format_diagnostics, locate_all
from engine.output.text import Paint
from engine.registry import KindRegistry
from engine.resource import Resource
from engine.table import Inputs
from tests.unit.cli_runner import CliRunner
from tests.unit.widget_kind import Widget, WidgetKind

CASES = tomli.loads((Path(__file__).parent / "cases" / "declaration.toml").read_text())["case"]


def load_error(cli: CliRunner, *names: str) -> DeclarationError:
    with pytest.raises(DeclarationError) as caught:
        cli.load(*names)
    return caught.value


def located_errors(cli: CliRunner, *names: str) -> list[tuple[str, int, int, str, str]]:
    """Load declarations and return file, line, column, message, and hint of each error."""
    return [
        (
            Path(diagnostic.file).name,
            diagnostic.line,
            diagnostic.column,
            diagnostic.message,
            diagnostic.hint,
        )
        for diagnostic in locate_all(load_error(cli, *names))
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_invalid_declaration_reports_every_error(cli: CliRunner, case: dict[str, Any]) -> None:
    cli.declare(bytes.fromhex(case["bytes"]) if "bytes" in case else case["declaration"])
    directory = str(cli.directory)
    expected = [tuple(row[:2] + [text.replace("{directory}", directory) for text in row[2:]])
                for row in case["errors"]]  # fmt: skip
    assert [error[1:] for error in located_errors(cli)] == expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_command_reports_every_error_and_exits_65(cli: CliRunner, case: dict[str, Any]) -> None:
    cli.declare(bytes.fromhex(case["bytes"]) if "bytes" in case else case["declaration"])
    result = cli.run("apply", "--json")
    assert result.code == 65
    assert [[problem["line"], problem["column"]] for problem in result.report["problems"]] == [
        row[:2] for row in case["errors"]
    ]
    assert result.report["comment"].endswith("in the declaration; nothing was changed")
    assert [path.name for path in cli.directory.iterdir()] == ["widgets.toml"]


def test_graph_errors_are_reported_with_table_errors(cli: CliRunner) -> None:
    cli.declare(
        '[widget.a]\npath = "a"\nkolor = "red"\n'  # invalid, but other widgets may depend on it
        '[widget.b]\npath = "b"\nneeds = ["widget.a", "widget.missing"]\n'
        '[widget.c]\npath = "c"\nneeds = ["widget.d"]\n'
        '[widget.d]\npath = "c"\nneeds = ["widget.c"]\n'
    )
    messages = [message for *_, message, _ in located_errors(cli)]
    assert len(messages) == 4
    assert messages[0].startswith("unknown key `kolor`")
    assert "`widget.b` needs `widget.missing`, which isn't declared" in messages
    assert "`widget.c` and `widget.d` have the same path" in messages
    assert "dependency cycle: widget.c → widget.d → widget.c" in messages


def test_syntax_error_hides_dangling_dependency_errors(cli: CliRunner) -> None:
    cli.declare("[widget.a\n", "one.toml")
    cli.declare('[widget.b]\npath = "b"\nneeds = ["widget.a"]\n', "two.toml")
    assert [name for name, *_ in located_errors(cli, "one.toml", "two.toml")] == ["one.toml"]


@pytest.mark.parametrize(
    ("first", "second", "line", "column", "message", "hint"),
    [
        pytest.param(
            '[widget.a]\npath = "a"\n',
            '\n[widget.a]\npath = "b"\n',
            2,
            9,
            "`widget.a` is declared twice",
            "rename one of them; the other is in `{directory}/one.toml`",
            id="duplicate name",
        ),
        pytest.param(
            "[defaults]\nsize = 1\nenabled = true\n",
            "[defaults]\nenabled = true\nsize = 2\n",
            3,
            8,
            "`size` has two default values",
            "remove one; `{directory}/one.toml` sets the other for the same directory",
            id="conflicting defaults",
        ),
    ],
)
def test_conflict_between_two_files_is_located_in_the_second(
    cli: CliRunner, first: str, second: str, line: int, column: int, message: str, hint: str
) -> None:
    cli.declare(first, "one.toml")
    cli.declare(second, "two.toml")
    hint = hint.replace("{directory}", str(cli.directory))
    assert located_errors(cli, "one.toml", "two.toml") == [
        ("two.toml", line, column, message, hint)
    ]


def test_errors_are_grouped_by_file(cli: CliRunner) -> None:
    cli.declare('[widget.b]\n[widget.a]\npath = "a"\nx=1\n', "one.toml")
    cli.declare("[gadget.a]\nx=1\n", "two.toml")
    assert [error[:3] for error in located_errors(cli, "two.toml", "one.toml")] == [
        ("two.toml", 1, 9),
        ("two.toml", 2, 1),
        ("one.toml", 1, 9),
        ("one.toml", 4, 1),
    ]


def test_defaults_apply_to_files_of_the_same_directory(cli: CliRunner) -> None:
    cli.declare('[defaults]\ncolor = "blue"\n', "one/defaults.toml")
    cli.declare(
        '[widget.a]\npath = "a"\n[widget.b]\npath = "b"\ncolor = "red"\n', "one/widgets.toml"
    )
    cli.declare('[widget.c]\npath = "c"\n', "two/widgets.toml")
    colors = {resource.name: resource.spec.color for resource in cli.load("one", "two")}
    assert colors == {"a": "blue", "b": "red", "c": "red"}


def test_defaults_apply_to_one_kind(cli: CliRunner) -> None:
    cli.declare('[defaults]\ncolor = "blue"\n[gadget.a]\npath = "a"\n')
    assert cli.load()[0].spec.color == "red"


def test_default_path_is_relative_to_its_file(cli: CliRunner) -> None:
    cli.declare("hello", "one/text.txt")
    cli.declare('[defaults]\nread-from = "text.txt"\n', "one/a.toml")
    cli.declare('[widget.a]\npath = "a"\n', "one/b.toml")
    assert cli.load("one")[0].spec.text == "hello"


def test_invalid_default_is_reported_in_its_own_file(cli: CliRunner) -> None:
    cli.declare("[defaults]\ntags = ['Tea']\n", "a.toml")
    cli.declare('[widget.a]\npath = "a"\n', "b.toml")
    assert located_errors(cli, ".") == [
        ("a.toml", 2, 9, "invalid tag `Tea`", "use lowercase letters")
    ]


def test_snippet_marks_the_error_with_carets(cli: CliRunner) -> None:
    file = cli.declare('[widget.a]\npath = "a"\n\tsize = "many"  # so many\n')
    text = format_diagnostics(load_error(cli), Paint(on=False))
    assert text == (
        f'{file}:3:9: error: `size` must be a whole number, found "many"\n'
        '    3 |  size = "many"  # so many\n'
        "      |         ^^^^^^\n"
        "\n1 error in the declaration; nothing was changed\n"
    )


def test_snippet_aligns_carets_below_escaped_characters(cli: CliRunner) -> None:
    cli.declare('widget = { a = { path = "\u200b\u202e", size = "x" } }\n')
    _, row, carets, *_ = format_diagnostics(load_error(cli), Paint(on=False)).splitlines()
    assert row[carets.index("^") : carets.rindex("^") + 1] == '"x"'
    assert r"\u200b\u202e" in row


def test_json_error_shows_the_key_path(cli: CliRunner) -> None:
    cli.declare('{"widget": {"a": {"path": "a", "tags": ["x", "Y"]}}}')
    text = format_diagnostics(load_error(cli), Paint(on=False))
    assert text.splitlines()[:2] == [
        f"{cli.directory}/widgets.toml: error: invalid tag `Y`",
        "    at widget.a.tags.1",
    ]


def test_json_error_shows_every_related_key_path(cli: CliRunner) -> None:
    cli.declare('{"widget": {"a": {"path": "x"}, "b": {"path": "x", "needs": ["widget.b"]}}}')
    text = format_diagnostics(load_error(cli), Paint(on=False))
    assert ":0:0" not in text
    assert "    at widget.b.path\n" in text
    assert "widgets.toml: at widget.a.path\n" in text


def test_json_key_path_is_escaped_and_redacted(cli: CliRunner) -> None:
    name = "https://me:secret@host/\x1b[31m"
    result = cli.run("plan", "-", stdin=json.dumps({"widget": {name: {"path": "a", "zebra": 1}}}))
    assert "at widget.https://****@host/\\x1b[31m.zebra\n" in result.err
    assert "secret" not in result.err
    assert "\x1b" not in result.err


@pytest.mark.parametrize("syntax", ["toml", "json"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_declaration_can_be_read_from_standard_input(
    cli: CliRunner, syntax: str, bom: bytes
) -> None:
    path = cli.directory / "x"
    text = f'[widget."ä"]\npath = "{path}"\n'
    if syntax == "json":
        text = json.dumps({"widget": {"ä": {"path": str(path)}}}, ensure_ascii=False)
    result = cli.run("apply", "--json", "-", stdin=bom + text.encode())
    assert result.outcomes() == {"widget.ä": "changed"}
    assert cli.read_widget("x") is not None


def test_standard_input_errors_have_a_position(cli: CliRunner) -> None:
    result = cli.run("plan", "-", stdin='\r\n[widget.a]\r\npath = "a"\r\nx = 1\r\n')
    assert result.code == 65
    assert result.err.startswith("<stdin>:4:1: error: unknown key `x`")


def test_standard_input_rejects_invalid_utf_8(cli: CliRunner) -> None:
    result = cli.run("plan", "-", stdin=b"[widget.a]\npath = '\xff'\n")
    assert result.code == 65
    assert result.err.startswith("<stdin>:2:9: error: invalid TOML: not UTF-8\n")


@pytest.mark.parametrize("depth", [150, 300, 400, 450, 480, 490, 500, 600, 5000, 100_000])
@pytest.mark.parametrize("syntax", ["arrays", "inline tables", "json"])
def test_deep_nesting_is_reported_as_an_error(cli: CliRunner, depth: int, syntax: str) -> None:
    if syntax == "json":
        deep: str = '{"widget": {"a": {"path": "a", "tags": ' + "[" * depth + "]" * depth + "}}}"
    elif syntax == "arrays":
        deep = '[widget.a]\npath = "a"\ntags = ' + "[" * depth + "]" * depth + "\n"
    else:
        deep = '[widget.a]\npath = "a"\ntags = ' + "{a = " * depth + "1" + "}" * depth + "\n"
    cli.declare(deep)
    result = cli.run("plan", "--json")
    assert result.code == 65
    assert len(result.report["problems"]) >= 1
    assert len(result.err) < 10_000
    assert syntax == "json" or "invalid JSON" not in result.err, "pydantic checks TOML as JSON"


def test_date_is_accepted_as_a_string(cli: CliRunner) -> None:
    cli.declare('[widget.a]\npath = "a"\ntext = 2024-05-06T07:08:09Z\n')
    assert cli.load()[0].spec.text == "2024-05-06T07:08:09+00:00"


def test_json_and_toml_load_the_same_resources(cli: CliRunner) -> None:
    table = {"a": {"path": "a", "tags": ["x"], "size": 3}, "b": {"path": "b", "copies": "widget.a"}}
    cli.declare(json.dumps({"widget": table}), "one.toml")
    cli.declare(
        '[widget.a]\npath = "a"\ntags = ["x"]\nsize = 3\n'
        '[widget.b]\npath = "b"\ncopies = "widget.a"\n',
        "two.toml",
    )
    assert resources_of(cli, "one.toml") == resources_of(cli, "two.toml")


def resources_of(cli: CliRunner, name: str) -> list[object]:
    return [(resource.address, resource.spec, resource.needs) for resource in cli.load(name)]


def test_empty_declaration_has_no_resources(cli: CliRunner) -> None:
    cli.declare("# empty\n")
    assert (
        cli.run("apply", "--json", "--allow-empty").report["comment"]
        == "no changes; 0 resources are up to date"
    )


def test_huge_number_is_reported_as_an_error(cli: CliRunner) -> None:
    """Python converts at most 4300 digits to text (`sys.set_int_max_str_digits`)."""
    cli.declare(f'[widget.a]\npath = "a"\nsize = 0x{"f" * 6000}\n')
    result = cli.run("plan", "--json")
    assert result.code == 65
    (problem,) = result.report["problems"]
    assert (problem["line"], problem["message"]) == (3, "number too large")


def test_missing_json_key_is_reported_with_its_table(cli: CliRunner) -> None:
    declaration = '{"widget": {"a": {"path": "a"}, "b": {"text": "b"}}}'
    result = cli.run("plan", "-", stdin=declaration)
    (problem,) = cli.run("plan", "--json", "-", stdin=declaration).report["problems"]
    assert "    at widget.b\n" in result.err
    assert (problem["line"], problem["message"]) == (0, "missing key `path` at widget.b")


def test_thousands_of_errors_are_reported_in_seconds(cli: CliRunner) -> None:
    """A quadratic search for suggestions or line numbers would take minutes."""
    names = [f"n{number}" for number in range(3000)]
    cli.declare_widgets(*names, **dict.fromkeys(names, 'kolor = "red"\nsize = "two"'))
    start = time.process_time()
    error = load_error(cli)
    format_diagnostics(error, Paint(on=False))
    assert time.process_time() - start < 10
    assert len(error.diagnostics) == 6000


class ReferringKind(WidgetKind):
    """A kind whose `copies` is a reference to a declared table, and not a dependency."""

    def implied_dependencies(self, spec: Widget) -> tuple[str, ...]:
        return ()

    def resolve_references(self, spec: Widget, inputs: Inputs) -> Widget:
        if not spec.copies:
            return spec
        texts = {address: table.text for address, table in inputs.declared.items()}
        if spec.copies not in texts:
            inputs.error(("copies",), f"`{spec.copies}` isn't declared")
        return replace(spec, text=texts.get(spec.copies, ""))


def load_references(tmp_path: Path, text: str) -> tuple[Resource, ...]:
    file = tmp_path / "widgets.toml"
    file.write_text(text)
    registry = KindRegistry(kinds={"widget": ReferringKind()}, defaults_kind="widget")
    return load_declaration(read_sources([str(file)], registry), registry, None)


def test_reference_reads_a_later_table_without_depending_on_it(tmp_path: Path) -> None:
    first, second = load_references(
        tmp_path,
        '[widget.a]\npath = "a"\ncopies = "widget.b"\n'
        '[widget.b]\npath = "b"\ntext = "from b"\nneeds = ["widget.a"]\n',
    )
    assert (first.address, first.spec.text, first.needs) == ("widget.a", "from b", ())
    assert second.needs == ("widget.a",)


def test_invalid_reference_is_located(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError) as caught:
        load_references(tmp_path, '[widget.a]\npath = "a"\ncopies = "widget.c"\n')
    (diagnostic,) = locate_all(caught.value)
    assert (diagnostic.line, diagnostic.message) == (3, "`widget.c` isn't declared")


def test_references_are_not_resolved_in_an_invalid_declaration(tmp_path: Path) -> None:
    """The table that is referred to may be the invalid one."""
    with pytest.raises(DeclarationError) as caught:
        load_references(
            tmp_path,
            '[widget.a]\npath = "a"\ncopies = "widget.b"\n[widget.b]\npath = "b"\nsize = "big"\n',
        )
    assert [diagnostic.line for diagnostic in locate_all(caught.value)] == [6]
