"""A wheelhouse downloads files with the right password, and records all files it publishes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from states.installer import IndexOptions
from states.wheelhouse.generations.write import _record_files
from states.wheelhouse.sources.download import _login

INDEX = IndexOptions("https://ann:secret@index.example/simple", (), "", (), False, "")


@pytest.mark.parametrize(
    ("url", "login"),
    [
        ("https://index.example/files/a.whl", ("ann", "secret")),
        ("http://index.example/files/a.whl", None),
        ("https://other.example/files/a.whl", None),
    ],
)
def test_password_is_sent_only_to_its_scheme_and_host(
    url: str, login: tuple[str, str] | None
) -> None:
    assert _login(url, INDEX) == login


def test_unreadable_directory_is_not_recorded_as_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".converge").mkdir()
    (tmp_path / "files").mkdir()
    scandir = os.scandir

    def failing(path: str) -> object:
        if path.endswith("files"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        _record_files(str(tmp_path))
