"""A command that fails as a whole reports the error with `--json`, and what to do in its text."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from tests.integration.host import Host

INVALID = "[venv.app]\npaths = 'venvs/app'\n"
SEVERAL = "[venv.a]\npath = 'venvs/a'\n[venv.b]\npath = 'venvs/b'\n"
DOCUMENTS: dict[str, dict[str, Any]] = {
    "list": {"venvs": []},
    "status": {"venvs": []},
    "verify": {"generations": []},
    "lock": {"locks": [], "notices": []},
    "rollback": {"venvs": [], "run": None, "dry_run": False},
    "rollback --dry-run": {"venvs": [], "run": None, "dry_run": True},
}


@pytest.mark.parametrize("command", DOCUMENTS)
def test_failed_command_prints_an_empty_document(host: Host, command: str) -> None:
    host.write(INVALID)
    name, *options = command.split()

    failed = host.run(name, "converge.toml", *options, "--json")

    document = json.loads(failed.out)
    rows = DOCUMENTS[command]
    assert {key: document.pop(key) for key in rows} == rows
    assert document.pop("problems")[0]["message"].startswith("missing key `path`")
    assert document.pop("error")["code"] == document.pop("exit")["code"] == failed.code == 65
    assert document == {"format_version": "1.0", "errors": {}}


def test_usage_error_of_rollback_prints_an_empty_document(host: Host) -> None:
    host.write(SEVERAL)

    failed = host.run("rollback", "converge.toml", "--json")

    assert json.loads(failed.out)["venvs"] == []
    assert failed.code == 64
    assert "--last-run" in json.loads(failed.out)["error"]["hint"]


def test_suggested_adoption_names_the_file(host: Host) -> None:
    host.declare()
    (host.directory / "venvs/app").mkdir(parents=True)
    (host.directory / "venvs/app/file").touch()

    hint = str(host.plan().first["error"]["hint"])

    command = shlex.split(hint.split("`")[-2])
    assert command == ["converge", "adopt", f"{host.directory}/converge.toml", "app", "--dry-run"]
