"""The attributes of declared files, and their part of the settings. A no-op run imports this."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.venv.spec import File

PREFIX = "files."
"""The prefix of the attribute of each declared file."""
_DIGEST_LENGTH = 12


def describe(file: File) -> str:
    """Return the value of a file's attribute. It never contains the content."""
    if file.link is not None:
        return f"link to {file.link}"
    parts = []
    if file.digest:
        parts.append(f"sha256:{file.digest[:_DIGEST_LENGTH]}")
    if file.mode:
        parts.append(f"mode {file.mode}")
    if file.capabilities:
        parts.append(file.capabilities)
    return " ".join(parts)


def file_attributes(files: Mapping[str, File]) -> dict[str, str]:
    """Return the attribute of each declared file."""
    return {f"{PREFIX}{path}": describe(file) for path, file in files.items()}


def file_settings(files: Mapping[str, File]) -> list[list[str | None]]:
    """Return everything about declared files that shapes a generation. Sources may move."""
    return [
        [path, file.digest, file.link, file.mode, file.capabilities]
        for path, file in sorted(files.items())
    ]
