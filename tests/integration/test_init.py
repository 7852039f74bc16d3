"""The first declaration, and the schema beside it."""

from __future__ import annotations

from tests.integration.host import Host

SCHEMA = "converge.schema.json"


def test_a_schema_of_another_making_is_kept_and_told(host: Host) -> None:
    schema = host.write('{"mine": 1}', SCHEMA)

    done = host.run("init")

    assert done.code == 0
    assert f"kept {SCHEMA}" in done.out
    assert schema.read_text() == '{"mine": 1}'
    assert host.run("init").code == 64


def test_a_schema_of_this_version_serves_a_second_declaration(host: Host) -> None:
    host.run("init")

    done = host.run("init", "second.toml")

    assert done.out == f"wrote second.toml and {SCHEMA}; next: converge plan second.toml\n"
    assert (host.folder / SCHEMA).read_text() == host.run("schema").out
