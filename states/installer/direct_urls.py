"""Remove signatures from the files in which uv records the URL of a package (PEP 610)."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from states.installer.credentials import strip_credentials


def strip_direct_urls(root: str) -> None:
    """Remove signatures from each `direct_url.json` in an environment, and update its RECORD.

    Every user who may use the environment can read these files.
    """
    for path in Path(root).glob("lib*/*/site-packages/*.dist-info/direct_url.json"):
        text = path.read_text("utf-8")
        stripped = _strip(text)
        if stripped == text:
            continue
        data = stripped.encode()
        path.write_bytes(data)
        record = path.with_name("RECORD")
        name = f"{path.parent.name}/{path.name}"
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        rows = record.read_text("utf-8").splitlines()
        rows = [
            f"{name},sha256={digest},{len(data)}" if row.startswith(f"{name},") else row
            for row in rows
        ]
        record.write_text("".join(f"{row}\n" for row in rows), "utf-8")


def _strip(text: str) -> str:
    """Return a JSON text whose URL has no signature. The rest stays byte for byte the same."""
    url = text.partition('"url":"')[2].partition('"')[0]
    return text.replace(url, strip_credentials(url), 1) if url else text
