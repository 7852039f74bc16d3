"""converge refuses invalid declarations before it changes anything."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.host import Host

INVALID = {
    "a path with ~": ({"path": "~/app"}, "isn't expanded"),
    "a path with a variable": ({"path": "$HOME/app"}, "isn't expanded"),
    "netrc with ~": ({"netrc": "~/.netrc"}, "isn't expanded"),
    "find-links with ~": ({"find_links": ["~/wheels"]}, "isn't expanded"),
    "a link with ~": ({"more": '[link."~/bin/sh"]\nto = "/bin/sh"'}, "isn't expanded"),
    "a link target with ~": ({"more": '[link."sh"]\nto = "~/bin/sh"'}, "isn't expanded"),
    "a command cwd with ~": (
        {"more": '[command.a]\nargv = ["a"]\ncwd = "~"'},
        "isn't expanded",
    ),
    "timeout zero": (
        {"more": '[command.a]\nargv = ["a"]\ntimeout = 0'},
        "between 1 second and 1 year",
    ),
    "timeout too large": (
        {"more": f'[command.a]\nargv = ["a"]\ntimeout = {10**18}'},
        "between 1 second and 1 year",
    ),
    "the declaration directory": ({"path": "."}, "isn't the name of a directory"),
    "a parent directory": ({"path": "../.."}, "isn't the name of a directory"),
    "a path with a colon": ({"path": "a:b"}, "choose a path without it"),
    "requirements is a directory": ({"requirements": ["wheels"]}, "is a directory"),
    "constraints is a directory": ({"constraints": ["wheels"]}, "is a directory"),
    "empty find-links": ({"find_links": [""]}, '"." for the directory of this file'),
    "empty module name": ({"system_packages": [""]}, "invalid module name"),
    "module name with a slash": ({"system_packages": ["lib/one"]}, "invalid module name"),
    "date in words": ({"exclude_newer": "yesterday"}, "2026-01-31"),
    "index without a scheme": ({"index_url": "example.org/simple"}, "`https://…`"),
    "index with an unsupported scheme": ({"index_url": "ftp://h/simple"}, "`https://…`"),
    "index from an unnamed variable": ({"extra_index_url": ["env:"]}, "`env:NAME`"),
    "empty extra index": ({"extra_index_url": [""]}, "invalid index URL"),
    "smoke test without a program": ({"smoke": ["''", "true"]}, "the command is empty"),
    "nonexistent day": ({"exclude_newer": "2026-02-30"}, "invalid date"),
    "nonexistent time": ({"exclude_newer": "2026-02-03T25:00:00Z"}, "invalid date"),
    "a duration": ({"exclude_newer": "2 weeks"}, "2026-01-31"),
}


@pytest.mark.parametrize(("keys", "expected"), INVALID.values(), ids=INVALID)
def test_invalid_value_is_refused_with_a_hint(
    host_with_wheels: Host, keys: dict[str, Any], expected: str
) -> None:
    host_with_wheels.declare(["beta"], **keys)

    refused = host_with_wheels.apply()

    assert refused.code == 65
    (problem,) = refused.report["problems"]
    assert expected in f"{problem['message']} {problem['hint']}"


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("app", "change `{}` in `[venv.app]` or `[venv.other]`"),
        ("app/inner", "change one of them: `{}` and "),
    ],
)
def test_conflicting_venv_paths_are_reported_once(
    host_with_wheels: Host, path: str, hint: str
) -> None:
    host_with_wheels.declare(["beta"], f'[venv.other]\npath = "venvs/{path}"\n')

    refused = host_with_wheels.apply()

    assert refused.code == 65
    (problem,) = refused.report["problems"]
    inner = f"{host_with_wheels.directory}/venvs/{path}"
    assert problem["hint"].startswith(hint.format(inner))


def test_unprintable_directory_name_is_reported_escaped(host: Host) -> None:
    host.write('[venv.app]\npath = "app"\n', "odd\nfolder/converge.toml")

    refused = host.run("plan", "--json", "odd\nfolder/converge.toml")

    assert refused.code == 65
    (problem,) = refused.report["problems"]
    assert problem["message"] == f"invalid path {f'{host.directory}/odd{chr(10)}folder/app'!r}"
    assert "rename the parent directory" in problem["hint"]


def test_only_reports_that_nothing_is_declared(host: Host) -> None:
    host.write("")

    planned = host.run("plan", "--only", "venv.app", "--allow-empty", "converge.toml")

    assert "declared resources: none" in planned.err


def test_upgrade_refuses_an_invalid_package_name(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])

    assert host_with_wheels.apply("--upgrade-package=bad name!").code == 64


@pytest.mark.parametrize("variable", ["CONVERGE_CACHE_DIR", "CONVERGE_STATE_DIR"])
def test_relative_cache_or_state_directory_is_refused(
    host_with_wheels: Host, variable: str
) -> None:
    host_with_wheels.declare(["beta"])

    refused = host_with_wheels.apply(env={variable: "here"})

    assert refused.code == 64
    assert variable in refused.err


def test_adopt_replaces_a_symlink_of_another_tool(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.venv.parent.mkdir()
    host_with_wheels.venv.symlink_to("/usr")

    done = host_with_wheels.run("adopt", "converge.toml", "app")
    again = host_with_wheels.run("adopt", "converge.toml", "app")

    assert done.code == 0, done.err
    assert "replaced a symlink to /usr\n" in done.out
    assert host_with_wheels.run_python("import beta; print(beta.__version__)") == "2.0"
    assert again.code == 1
    assert "nothing to adopt at" in again.err
    host_with_wheels.write("")
    (notice,) = host_with_wheels.plan("--allow-empty").report["notices"]
    assert notice.startswith("`venv.app` was removed from")


@pytest.mark.parametrize(
    "command",
    ["plan", "apply", "check", "validate", "graph", "lock", "status", "verify", "gc", "history",
     "rollback", "pin", "adopt", "show"],
)  # fmt: skip
def test_empty_declaration_is_an_error_for_each_command(host: Host, command: str) -> None:
    """A template that rendered to nothing must not look like a host without resources."""
    host.write("# rendered from nothing\n")
    name = ["app"] if command in ("history", "rollback", "pin", "adopt", "show") else []

    refused = host.run(command, "converge.toml", *name)

    assert refused.code == (1 if command == "check" else 65), refused.out + refused.err
    assert "`converge.toml` declares nothing" in refused.out + refused.err
    if not name:
        assert host.run(command, "converge.toml", "--allow-empty").code == 0
