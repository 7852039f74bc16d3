"""Where cache and state lie, and what the options amount to."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path

import pytest

from engine import options
from engine.settings import places

NAMES = ("CONVERGE_CACHE_DIR", "CONVERGE_STATE_DIR", "XDG_CACHE_HOME", "XDG_STATE_HOME")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")


def test_root_has_the_folders_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("XDG_CACHE_HOME", "/not/this")
    assert places() == ("/var/cache/converge", "/var/lib/converge")


def test_others_have_folders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert places() == (
        "/home/somebody/.cache/converge",
        "/home/somebody/.local/state/converge",
    )
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    assert places() == ("/c/converge", "/s/converge")


def test_what_is_named_outright_wins_and_becomes_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVERGE_CACHE_DIR", "c")
    monkeypatch.setenv("CONVERGE_STATE_DIR", "/s/../t")
    assert places() == (str(tmp_path / "c"), "/t")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], None),
        (["--upgrade="], frozenset()),
        (["--upgrade=a"], {"a"}),
        (["--upgrade=a,b", "--upgrade=c"], {"a", "b", "c"}),
        (["--upgrade=a", "--upgrade="], frozenset()),
    ],
)
def test_upgrade_is_of_nothing_of_some_or_of_all(words: list[str], names) -> None:
    parser = ArgumentParser()
    options.running(parser)
    assert options.settings(parser.parse_args(words)).upgrade == names
