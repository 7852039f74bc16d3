"""Read the venvs of an import, each with the files of the host that name its path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import progress
from engine.errors import ConvergeError
from engine.system.existence import entry_exists, resolve
from states.commands.declarations.table import ImportedVenv
from states.commands.per_venv import address_error
from states.system.path_references import find_references
from states.venv.adoption.existing import read_venv
from states.venv.adoption.findings import find_all
from states.venv.layout import RECEIPT, store_of
from states.venv.observe import PUBLISHED, published_state
from states.venv.resolve.lockfile import default_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from states.venv.adoption.existing import ExistingVenv


def read_venvs(
    names: Mapping[str, str], errors: dict[str, ConvergeError]
) -> tuple[list[ImportedVenv], list[str]]:
    """Read venvs, and find the files of the host that name their paths.

    Args:
        names: The names by path.
        errors: Receives the error of each path that can't be read, by address.

    Returns:
        The venvs, and the files of the host that are unreadable.

    """
    venvs: dict[str, ExistingVenv] = {}
    for path, name in names.items():
        try:
            with progress.task(f"venv.{name}"):
                _require_unmanaged(path)
                venvs[path] = read_venv(path)
        except (ConvergeError, OSError) as error:
            errors[f"venv.{name}"] = address_error(f"venv.{name}", error)
    references, unreadable = find_references(venvs) if venvs else ({}, [])
    imported = [
        ImportedVenv(
            names[path],
            venv,
            tuple(find_all(venv)),
            tuple(references[path]),
            {"lock": default_name(names[path])},
        )
        for path, venv in venvs.items()
    ]
    return imported, unreadable


def _require_unmanaged(path: str) -> None:
    """Check that converge doesn't manage a path.

    Raises:
        ConvergeError: It does.

    """
    is_published = published_state(store_of(path))[0] == PUBLISHED
    if is_published or entry_exists(f"{resolve(path)}/{RECEIPT}"):
        raise ConvergeError(
            f"converge already manages `{path}`",
            hint="to find its declaration, run `converge list`",
        )
