"""`converge init` writes a declaration and its JSON schema."""

from __future__ import annotations

import os

import pytest

from tests.integration.host import Host

SCHEMA = "converge.schema.json"


def test_existing_schema_is_kept_and_reported(host: Host) -> None:
    schema = host.write('{"custom": 1}', SCHEMA)

    result = host.run("init")

    assert result.code == 0
    assert f"kept {SCHEMA}" in result.out
    assert schema.read_text() == '{"custom": 1}'
    assert host.run("init").code == 64


def test_current_schema_is_reused_for_a_second_declaration(host: Host) -> None:
    host.run("init")

    result = host.run("init", "second.toml")

    assert result.out == f"wrote second.toml and {SCHEMA}\nNext, run: converge plan second.toml\n"
    assert (host.directory / SCHEMA).read_text() == host.run("schema").out


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("", 64, "invalid file name: ``"),
        ("-", 64, "invalid file name: `-`"),
        ("nested/first.toml", 66, "directory doesn't exist: `nested`"),
    ],
)
def test_init_with_invalid_path_fails_and_writes_nothing(
    host: Host, name: str, code: int, message: str
) -> None:
    before = os.listdir(host.directory)

    refused = host.run("init", name)

    assert refused.code == code
    assert message in refused.err
    assert os.listdir(host.directory) == before


@pytest.mark.parametrize("directory", ["/proc", "/proc/self"])
def test_init_names_a_directory_that_cannot_be_written(host: Host, directory: str) -> None:
    """Also for the superuser, and with a relative path."""
    refused = host.run("init", os.path.relpath(f"{directory}/web.toml", host.directory))

    assert refused.code != 0
    assert f"error: can't create files in `{directory}`: " in refused.err
    assert "hint: " in refused.err
