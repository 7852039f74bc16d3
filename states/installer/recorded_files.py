"""Remove secrets from the files that uv adds to the metadata of an installed package.

Every user who may use the environment can read these files.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from packaging.utils import canonicalize_name

from states.installer.credentials import strip_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

_METADATA = "lib*/*/site-packages/*.dist-info"


def dist_infos(root: str) -> list[Path]:
    """Return the metadata directories of all packages in an environment."""
    return sorted(Path(root).glob(_METADATA))


def installed_names(root: str) -> set[str]:
    """Return the normalized names of the packages that the installer considers installed."""
    return {canonicalize_name(path.name.rpartition("-")[0]) for path in dist_infos(root)}


def strip_secrets(root: str) -> None:
    """Remove signatures and settings of builds from each environment's metadata, and its RECORD."""
    for path in Path(root).glob(f"{_METADATA}/direct_url.json"):  # PEP 610
        text = _read(path)
        stripped = _strip(text)
        if stripped != text:
            _replace(path, _encode(stripped))
    for path in Path(root).glob(f"{_METADATA}/uv_build.json"):
        if path.read_bytes() != b"{}":
            # It contains the values of variables, with which uv compares later settings.
            _replace(path, b"{}")


def restore_origins(root: str, wheels: Mapping[str, str]) -> None:
    """Record the projects that wheels were built from as the origin of their packages.

    Args:
        root: The environment.
        wheels: The wheel of each project by its directory.

    """
    projects = {f"file://{quote(wheel)}": project for project, wheel in wheels.items()}
    for path in Path(root).glob(f"{_METADATA}/direct_url.json") if wheels else ():
        project = projects.get(_url(_read(path)))
        if project is not None:
            text = json.dumps({"url": f"file://{quote(project)}", "dir_info": {}})
            _replace(path, text.replace(" ", "").encode())


def delete_lock(root: str) -> None:
    """Delete the file that uv locks during an installation."""
    # UV-QUIRK(0.12): uv leaves it in the environment, writable by all.
    Path(root, ".lock").unlink(missing_ok=True)


def _replace(path: Path, data: bytes) -> None:
    """Replace a metadata file, and update its row in RECORD."""
    path.write_bytes(data)
    record = path.with_name("RECORD")
    name = f"{path.parent.name}/{path.name}"
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
    rows = _read(record).splitlines()
    rows = [
        f"{name},sha256={digest},{len(data)}" if row.startswith(f"{name},") else row for row in rows
    ]
    record.write_bytes(_encode("".join(f"{row}\n" for row in rows)))


def _strip(text: str) -> str:
    """Return a JSON text whose URL has no signature. The rest stays byte for byte the same."""
    url = _url(text)
    return text.replace(url, strip_credentials(url), 1) if url else text


def _url(text: str) -> str:
    """Return the URL in a JSON text of the installer. A wheel can bring any other text."""
    return text.partition('"url":"')[2].partition('"')[0]


def _read(path: Path) -> str:
    """Return the text of a file that a wheel can bring. It may have any bytes."""
    return path.read_bytes().decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
