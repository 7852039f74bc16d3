"""Unknown and missing files among what a generation records about itself."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from states.venv.integrity.intact import metadata_drift


def test_unknown_names_and_missing_lease_are_drift(tmp_path: Path) -> None:
    directory = tmp_path / ".converge"
    directory.mkdir()
    (directory / "planted").touch()
    assert metadata_drift(str(tmp_path)) == {
        ".converge/planted": "unexpected",
        ".converge/lease": "missing",
    }


def test_missing_directory_is_not_metadata_drift(tmp_path: Path) -> None:
    """Without the directory, there is no receipt to compare with."""
    assert metadata_drift(str(tmp_path)) == {}


def test_unreadable_directory_is_not_an_absence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failing read must not look like an intact generation."""

    def failing(path: str) -> list[str]:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    monkeypatch.setattr(os, "listdir", failing)
    with pytest.raises(OSError, match=r"\.converge"):
        metadata_drift(str(tmp_path))
