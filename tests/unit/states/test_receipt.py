"""A receipt that can't be read counts as missing, so its generation is built again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.system.files import sha256
from states.venv.integrity.receipt import Package, read_receipt, write_receipt
from states.venv.layout import METADATA_DIR, RECEIPT
from tests.unit.states.values import make_receipt


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a generation with nothing but a receipt."""
    (tmp_path / METADATA_DIR).mkdir()
    package = Package(name="web", version="1.0", content="sha256:aa", wheel=True)
    write_receipt(make_receipt(packages=(package,), partly_ignored=("var",)), str(tmp_path))
    return tmp_path


def _rewrite(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    _, body = (root / RECEIPT).read_text().splitlines()
    document = json.loads(body)
    change(document)
    body = json.dumps(document)
    (root / RECEIPT).write_text(f"{sha256(body.encode())}\n{body}\n")


def test_receipt_is_read_as_written(root: Path) -> None:
    receipt = read_receipt(str(root))
    assert receipt is not None
    assert [package.name for package in receipt.packages] == ["web"]
    _rewrite(root, lambda _document: None)
    assert read_receipt(str(root)) == receipt


OTHER_FORMATS: dict[str, Callable[[dict[str, Any]], object]] = {
    "older number": lambda document: document.update(format=0),
    "newer number": lambda document: document.update(format=2),
    "no number": lambda document: document.pop("format"),
    "missing key": lambda document: document.pop("manifest"),
    "missing optional key": lambda document: document.pop("partly_ignored"),
    "unknown key": lambda document: document.update(seal=""),
    "renamed keys": lambda document: document.update(
        seal=document.pop("manifest"), loose=document.pop("partly_ignored")
    ),
    "unknown key of a package": lambda document: document["packages"][0].update(hash=""),
    "packages of another type": lambda document: document.update(packages=[1]),
    "interpreter of another type": lambda document: document.update(python="3.11"),
    "interpreter without files": lambda document: document["python"].update(watched=[]),
}


@pytest.mark.parametrize("change", OTHER_FORMATS.values(), ids=OTHER_FORMATS)
def test_receipt_of_another_format_is_none(
    root: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    _rewrite(root, change)
    assert read_receipt(str(root)) is None


@pytest.mark.parametrize("body", ["[]", "1", "null", '"format"', "", "{"])
def test_receipt_that_isnt_a_document_is_none(root: Path, body: str) -> None:
    (root / RECEIPT).write_text(f"{sha256(body.encode())}\n{body}\n")
    assert read_receipt(str(root)) is None


def test_torn_receipt_is_none(root: Path) -> None:
    data = (root / RECEIPT).read_bytes()
    for length in range(0, len(data) - 1, 7):
        (root / RECEIPT).write_bytes(data[:length])
        assert read_receipt(str(root)) is None
