"""The settings of a virtual environment, `pyvenv.cfg` (PEP 405)."""

from __future__ import annotations

from engine.system.existence import proves_no_file
from engine.system.files import iter_chunks

_MAX_SIZE = 1 << 16


def read_settings(root: str) -> dict[str, str]:
    """Return the settings of an environment by their names in lower case, or none without a file.

    Raises:
        OSError: The file can't be read.

    """
    try:
        content = b"".join(iter_chunks(f"{root}/pyvenv.cfg", _MAX_SIZE))
    except OSError as error:
        if proves_no_file(error):
            return {}
        raise
    pairs = (line.partition("=") for line in content.decode("utf-8", "replace").splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def minor_version(settings: dict[str, str]) -> str:
    """Return the minor version of the interpreter, such as `3.11`, or an empty string."""
    version = settings.get("version", settings.get("version_info", ""))
    parts = version.split(".")
    is_known = len(parts) > 1 and parts[0].isdecimal() and parts[1].isdecimal()
    return ".".join(parts[:2]) if is_known else ""
