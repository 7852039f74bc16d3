"""The lines that uv prints about downloads become an amount of bytes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine import progress
from states.installer.output.downloads import run_uv

LINES = """\
Resolved 3 packages in 950ms
Downloading numpy (16.5MiB)
Downloading big.pkg (1.5GiB)
 Downloaded numpy
 Downloaded unknown
Downloading odd (many)
Prepared 3 packages in 2s
"""


class Recorder(progress.Reporter):
    """Records the calls."""

    def __init__(self) -> None:
        self.details: list[str] = []
        self.measures: list[tuple[str, int, str]] = []
        self.advances: list[int] = []

    def detail(self, address: str, text: str) -> None:
        self.details.append(text)

    def measure(self, address: str, label: str, total: int, unit: str) -> None:
        self.measures.append((label, total, unit))

    def advance(self, address: str, amount: int) -> None:
        self.advances.append(amount)


@pytest.fixture
def recorder() -> Recorder:
    """Return the reporter of this process for one test."""
    return Recorder()


def test_downloads_are_measured_in_bytes(
    tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_reporter", recorder)
    numpy = int(16.5 * (1 << 20))

    completed = run_uv([sys.executable, "-c", f"print({LINES!r})"], {}, str(tmp_path))

    assert completed.status == 0
    assert recorder.details == LINES.splitlines()
    assert recorder.measures == [
        ("downloading", numpy, "bytes"),
        ("downloading", numpy + int(1.5 * (1 << 30)), "bytes"),
    ]
    assert recorder.advances == [numpy, 0]
