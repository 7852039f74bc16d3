"""The pure parts of the commands for venvs: arguments, texts, and exit codes."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from engine.errors import ConvergeError, Interrupted, LockTimeout, UsageError
from engine.output.text import Paint
from engine.resource import Resource
from states.commands.gc import parse_age
from states.commands.history import describe_changes, format_history
from states.commands.status import other_rows
from states.commands.text.gc import Garbage, format_garbage, format_size
from states.commands.text.status import format_age, format_venvs, summarize_drift
from states.commands.text.table import render
from states.commands.venv_arguments import find_venv, match_prefix
from states.commands.verify import format_report, summarize_reports
from states.system import timestamps
from states.venv.integrity.receipt import Package
from states.venv.spec import Venv
from tests.unit.states.values import make_python, make_receipt
from tests.unit.widget_kind import Widget, widget_registry

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from states.commands.text.table import Line

IDS = ("000001-aaaaaaaa", "000002-aaaaaaaa", "adopted-12345678")

ROW: dict[str, Any] = {
    "address": "venv.web",
    "path": "/srv/web",
    "present": True,
    "generation": "000002-bd72401a",
    "created": "2026-01-01T00:00:00Z",
    "packages": 2,
    "python": "3.11.7",
    "verified": None,
    "pinned": False,
    "held": False,
    "drift": [],
    "old_generations_in_use": {},
}

REPORT: dict[str, Any] = {
    "address": "venv.web",
    "path": "/srv/web",
    "generation": "000002-bd72401a",
    "files": 883,
    "damage": [],
    "error": "",
}


def package(name: str, version: str) -> Package:
    """Return a package from an index."""
    return Package(name=name, version=version, content="sha256:00", origin="")


@pytest.fixture
def one_day_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every timestamp one day old."""
    monkeypatch.setattr(timestamps, "seconds_since", lambda _timestamp: 86400.0)


@pytest.mark.parametrize(
    ("age", "seconds"),
    [("0m", 0), ("90m", 5400), ("12h", 43200), ("30d", 2592000), ("8w", 4838400)],
)
def test_age_is_parsed_to_seconds(age: str, seconds: int) -> None:
    assert parse_age(age) == seconds


@pytest.mark.parametrize("age", ["²d", "٣d", "d", "3", "-1d", "1.5h", "3y", " 3d", "3 d", ""])
def test_invalid_age_is_a_usage_error(age: str) -> None:
    with pytest.raises(UsageError, match="invalid age"):
        parse_age(age)


@pytest.mark.parametrize(
    ("prefix", "name"),
    [("000001", IDS[0]), ("000002-aaaaaaaa", IDS[1]), ("ad", IDS[2])],
)
def test_unique_prefix_selects_an_id(prefix: str, name: str) -> None:
    assert match_prefix(prefix, IDS, hint="") == name


@pytest.mark.parametrize("prefix", ["0", "00000"])
def test_ambiguous_prefix_lists_the_matches(prefix: str) -> None:
    with pytest.raises(UsageError, match="ambiguous generation ID") as caught:
        match_prefix(prefix, IDS, hint="")

    assert caught.value.hint is not None
    assert all((name in caught.value.hint) == name.startswith("0") for name in IDS)


@pytest.mark.parametrize("prefix", ["", "1", "000001-aaaaaaaab"])
def test_prefix_without_a_match_has_the_given_hint(prefix: str) -> None:
    with pytest.raises(UsageError, match="no generation ID begins with") as caught:
        match_prefix(prefix, IDS, hint="choices")

    assert caught.value.hint == "choices"


def venv_resource(name: str, state: Any = "present") -> Resource:
    """Return a venv without dependencies."""
    return Resource(kind="venv", name=name, spec=Venv(path=f"/srv/{name}", state=state))


@pytest.mark.parametrize("name", ["web", "venv.web"])
def test_venv_is_found_by_name_and_by_address(name: str) -> None:
    resources = (venv_resource("api"), venv_resource("web"))

    assert find_venv(resources, name) == resources[1]


def test_only_venv_needs_no_name() -> None:
    web, api = venv_resource("web"), venv_resource("api")

    assert find_venv((web, venv_resource("old", "absent")), None) == web
    with pytest.raises(UsageError, match="missing argument: NAME") as caught:
        find_venv((web, api), None)
    assert caught.value.hint == "declared venvs: web, api"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("webb", "did you mean `web`?"), ("old", "declared venvs: web"), ("link.web", None)],
)
def test_unknown_or_absent_venv_is_a_usage_error(name: str, hint: str | None) -> None:
    resources = (venv_resource("web"), venv_resource("old", "absent"))

    with pytest.raises(UsageError, match="no declared venv") as caught:
        find_venv(resources, name)

    assert hint is None or caught.value.hint == hint


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (0.9, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3599, "59 minutes ago"),
        (7200, "2 hours ago"),
        (86400, "1 day ago"),
        (20 * 86400, "20 days ago"),
    ],
)
def test_age_is_shown_in_its_largest_unit(
    monkeypatch: pytest.MonkeyPatch, seconds: float, age: str
) -> None:
    monkeypatch.setattr(timestamps, "seconds_since", lambda _timestamp: seconds)

    assert format_age("2026-01-01T00:00:00Z") == age


def test_timestamp_in_the_future_has_an_age(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock may have been set back."""
    monkeypatch.setattr(timestamps, "seconds_since", lambda _timestamp: -7200.0)

    assert format_age("2026-01-01T00:00:00Z") == "in the future"


@pytest.mark.parametrize(
    ("drift", "summary"),
    [
        (["file.a missing"], "a missing"),
        (["file.a missing", "b", "c"], "a missing, and 2 more"),
    ],
)
def test_drift_is_summarized_by_its_first_difference(drift: list[str], summary: str) -> None:
    assert summarize_drift(drift) == summary


def _status(*rows: dict[str, Any], verbose: bool = False) -> list[str]:
    lines = format_venvs([{**ROW, **row} for row in rows], verbose=verbose)
    return [render(line, Paint(on=False)) for line in lines]


@pytest.mark.usefixtures("one_day_later")
def test_status_is_an_aligned_table() -> None:
    assert _status(
        {},
        {"address": "venv.a-long-name", "packages": 1, "verified": "2026-01-01T00:00:00Z"},
        {"present": False, "generation": None},
    ) == [
        "VENV              STATE    GENERATION       BUILT      PYTHON  PACKAGES  VERIFIED",
        "venv.web          ok       000002-bd72401a  1 day ago  3.11.7  2         never",
        "venv.a-long-name  ok       000002-bd72401a  1 day ago  3.11.7  1         1 day ago",
        "venv.web          missing",
    ]


@pytest.mark.usefixtures("one_day_later")
@pytest.mark.parametrize(
    ("changed", "state", "details"),
    [
        ({"held": True, "pinned": True}, "held", ["pinned", "held after a rollback"]),
        ({"drift": ["file.a missing", "b"]}, "drift", ["~ a missing, and 1 more"]),
        ({"generation": None}, "unmanaged", ["not created by converge"]),
        ({"generation": None, "drift": ["path dangling"]}, "drift", ["~ path dangling"]),
        (
            {"old_generations_in_use": {IDS[0]: [7, 23]}},
            "ok",
            [f"processes 7, 23 still on {IDS[0]}"],
        ),
    ],
)
def test_status_explains_a_state(changed: dict[str, Any], state: str, details: list[str]) -> None:
    _, row, *lines = _status(changed)
    assert row.split()[1] == state
    assert [line.strip() for line in lines] == details


@pytest.mark.usefixtures("one_day_later")
def test_verbose_status_lists_path_and_all_drift() -> None:
    _, _, *lines = _status({"drift": ["file.a missing", "b"]}, verbose=True)
    assert [line.strip() for line in lines] == ["/srv/web", "~ a missing", "~ b"]


def _widgets(directory: Path, needs: dict[str, tuple[str, ...]]) -> list[Resource]:
    """Return resources of existing files, with their dependencies by name."""
    (directory / "file").write_text(
        json.dumps({"text": "", "color": "red", "size": "1", "enabled": "false", "tags": ""})
    )
    return [
        Resource(
            kind="widget",
            name=name,
            spec=Widget(path=str(directory / "file")),
            needs=tuple(f"widget.{need}" for need in names),
            file="/x/a.toml",
        )
        for name, names in needs.items()
    ]


def test_status_observes_each_resource_once(tmp_path: Path) -> None:
    """Each of 60 widgets needs the three before it, so a chain of calls would never end."""
    names = [f"w{number}" for number in range(60)]
    needs = {name: tuple(names[max(0, n - 3) : n]) for n, name in enumerate(names)}
    observed: list[Widget] = []
    registry = widget_registry(before_observe=observed.append)
    rows = [*other_rows(registry, _widgets(tmp_path, needs))]
    assert [row["state"] for row in rows] == ["ok"] * 60
    assert len(observed) == 60


def test_state_is_unknown_with_a_dependency_that_cant_be_read(tmp_path: Path) -> None:
    unreadable, dependent, other = _widgets(tmp_path, {"a": (), "b": ("a",), "c": ()})

    def observe(spec: Widget) -> None:
        if spec is unreadable.spec:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    registry = widget_registry(before_observe=observe)
    rows = other_rows(registry, [unreadable, dependent, other])
    assert [row["state"] for row in rows] == ["unknown", "unknown", "ok"]


def test_states_are_colored() -> None:
    lines = [*format_venvs([{**ROW, "drift": ["b"]}], verbose=False)]
    assert "\x1b[31mdrift\x1b[0m" in render(lines[1], Paint(on=True))


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        ({}, ["  venv.web 000002-bd72401a: 883 files OK"]),
        (
            {"damage": [{"flags": "S.5......", "path": "bin/web"}]},
            [
                "! venv.web 000002-bd72401a: 1 of 883 files differ",
                "  S.5......  bin/web",
                "  S size, M mode, 5 content, L link, U user, G group, T type",
            ],
        ),
        ({"generation": None, "error": "no receipt"}, ["✗ venv.web: no receipt"]),
    ],
)
def test_verify_report_lists_each_difference(changed: dict[str, Any], lines: list[str]) -> None:
    shown = format_report({**REPORT, **changed}, verbose=False)
    assert [render(line, Paint(on=False)) for line in shown] == lines


DAMAGE = {"damage": [{"flags": "missing", "path": "bin/web"}]}
NO_RECEIPT = {"error": "no receipt"}


@pytest.mark.parametrize(
    ("changes", "errors", "code", "error_class", "retryable"),
    [
        ([], [], 0, "ok", False),
        ([{}], [], 0, "ok", False),
        ([DAMAGE], [], 2, "drift", False),
        ([DAMAGE, NO_RECEIPT], [], 1, "failed", False),
        ([{"error": "locked"}], [LockTimeout("locked")], 1, "failed", True),
        ([NO_RECEIPT, {"error": "locked"}], [LockTimeout("locked")], 1, "failed", False),
        ([DAMAGE, {"error": "stop"}], [Interrupted("stop", signal=15)], 143, "interrupted", True),
    ],
)
def test_verify_exit_code(
    changes: list[dict[str, Any]],
    errors: list[ConvergeError],
    code: int,
    error_class: str,
    retryable: bool,
) -> None:
    reports = [{**REPORT, **change} for change in changes]

    expected = {"code": code, "class": error_class, "retryable": retryable}
    assert summarize_reports(reports, errors) == expected


def test_history_lists_changes_to_python_first() -> None:
    old = make_receipt(packages=(package("anyio", "4.0"), package("click", "8.0")))
    new = make_receipt(
        python=make_python(version="3.12.1"),
        packages=(package("click", "8.1"), package("idna", "3.6")),
    )

    changes = [*describe_changes(old, new)]

    assert changes[0].startswith("~ python ")
    assert changes[1:] == ["- anyio 4.0", "~ click 8.0 → 8.1", "+ idna 3.6"]


@pytest.mark.parametrize(
    ("names", "change"),
    [
        (("anyio",), "first generation: 1 package, Python 3.11.7"),
        (("anyio", "click"), "first generation: 2 packages, Python 3.11.7"),
    ],
)
def test_history_of_the_first_generation(names: tuple[str, ...], change: str) -> None:
    receipt = make_receipt(packages=tuple(package(name, "1.0") for name in names))

    assert [*describe_changes(None, receipt)] == [change]
    assert [*describe_changes(receipt, receipt)] == ["same packages, built again"]


def test_history_shows_newest_generation_first() -> None:
    row = {
        "created": "2026-01-01T00:00:00Z",
        "declared": "site.toml venv.web",
        "live": False,
        "held": False,
        "pinned": False,
        "quarantined": False,
        "in_use": False,
        "changes": ["+ anyio 4.0"],
    }
    document = {
        "address": "venv.web",
        "live": IDS[1],
        "generations": [
            {**row, "generation": IDS[0]},
            {**row, "generation": IDS[1], "live": True, "in_use": True},
        ],
        "adopted": [IDS[2]],
    }

    assert _plain(format_history(document, "/srv/web")) == [
        f"{IDS[1]}  2026-01-01T00:00:00Z  site.toml venv.web  [live, in use]",
        "    + anyio 4.0",
        f"{IDS[0]}  2026-01-01T00:00:00Z  site.toml venv.web",
        "    + anyio 4.0",
        f"{IDS[2]}  adopted backup",
    ]


def test_history_without_a_generation() -> None:
    document = {"address": "venv.web", "live": "", "generations": [], "adopted": []}

    assert _plain(format_history(document, "/srv/web")) == ["venv.web doesn't exist yet"]


@pytest.mark.parametrize(("dry_run", "action"), [(False, "deleted"), (True, "would be deleted")])
def test_gc_lists_each_deleted_entry(dry_run: bool, action: str) -> None:
    deleted = Garbage(
        (IDS[0],), ("trash-1",), sizes=((IDS[0], 9_100_000),), kept=((IDS[1], "live"),)
    )
    garbage = {"venv.web": deleted, "venv.api": Garbage()}
    freed = "would be freed" if dry_run else "freed"

    assert _plain(format_garbage(garbage, 3, dry_run=dry_run)) == [
        f"- venv.web  {IDS[0]}  {action} (9.1 MB)",
        f"- venv.web  trash-1 (unfinished)  {action}",
        f"  venv.web  {IDS[1]}  kept: live",
        f"- 3 expired cache files {action}",
        f"Gc: 1 {action}, 9.1 MB {freed}, 1 kept.",
    ]
    assert _plain(format_garbage({}, 1, dry_run=dry_run))[0] == f"- 1 expired cache file {action}"
    assert _plain(format_garbage({}, 0, dry_run=dry_run)) == ["Gc: nothing to delete, 0 kept."]


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2e12, "2000.0 GB")]
)
def test_size_is_shown_in_its_largest_unit(size: int, text: str) -> None:
    assert format_size(size) == text


def _plain(lines: Iterable[Line]) -> list[str]:
    """Return lines without color."""
    return [render(line, Paint(on=False)) for line in lines]
