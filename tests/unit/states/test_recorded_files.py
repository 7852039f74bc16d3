"""Metadata of installed packages names the projects that they were built from."""

from __future__ import annotations

from pathlib import Path

import pytest

from states.installer.recorded_files import restore_origins


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"{", b"[1]", b'{"url":1}'], ids=repr)
def test_restore_origins_keeps_other_metadata(tmp_path: Path, content: bytes) -> None:
    site = tmp_path / "lib/python3.11/site-packages"
    files = {
        site / "odd-1.0.dist-info/direct_url.json": content,
        site / "app-1.0.dist-info/direct_url.json": b'{"url":"file:///tmp/a%20b.whl"}',
        site
        / "app-1.0.dist-info/RECORD": b"app-1.0.dist-info/direct_url.json,sha256=x,1\n\xff,,\n",
    }
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    restore_origins(str(tmp_path), {"/home/ann/app": "/tmp/a b.whl"})

    odd, app, record = files
    assert odd.read_bytes() == content
    assert app.read_bytes() == b'{"url":"file:///home/ann/app","dir_info":{}}'
    first, second = record.read_bytes().splitlines()
    assert first.endswith(b",44")
    assert second == b"\xff,,"
