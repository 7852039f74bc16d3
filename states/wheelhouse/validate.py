"""Validate a `[wheelhouse.*]` table, and find the venvs that it refers to."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from engine.frozen import replace
from states.installer.credentials import CREDENTIALS_HINT, credentials_error
from states.interpreter import discovery
from states.venv.resolve.key_checks import resolve_path

if TYPE_CHECKING:
    from engine.table import Inputs
    from states.venv.spec import Venv
    from states.wheelhouse.spec import Wheelhouse


def validate(spec: Wheelhouse, inputs: Inputs) -> Wheelhouse:
    """Return the spec with an absolute path. Reports invalid values to `inputs`."""
    for index, pattern in enumerate(spec.venvs):
        if not pattern.startswith("venv."):
            hint = f'write the address, as in "venv.{pattern or "NAME"}"'
            inputs.error(("venvs", index), f"not an address of a venv: `{pattern}`", hint)
    if not spec.venvs:
        inputs.error(("venvs",), "`venvs` is empty", 'write "venv.*" for all venvs, or omit it')
    for index, request in enumerate(spec.pythons):
        if not request.startswith("interpreter.") and not discovery.is_valid_request(request):
            hint = 'write "3.11", ">=3.11,<3.13", an absolute path, or "interpreter.NAME"'
            inputs.error(("pythons", index), f"invalid interpreter request `{request}`", hint)
    if spec.keep < 0:
        inputs.error(("keep",), "`keep` must not be negative")
    return replace(
        spec,
        path=resolve_path(spec.path, inputs),
        url=_resolve_url(spec.url, inputs),
        declared=f"{inputs.file} {'.'.join(str(part) for part in inputs.table)}",
    )


def _resolve_url(url: str, inputs: Inputs) -> str:
    """Return the URL without a slash at its end. Reports one that targets can't use."""
    parts = urlsplit(url)
    if message := credentials_error(url, query=True):
        inputs.error(("url",), message, CREDENTIALS_HINT)
    elif url and (parts.scheme not in ("http", "https") or not parts.netloc):
        hint = 'write the URL of the published path, as in "https://wheels.example"'
        inputs.error(("url",), f"invalid URL `{url}`", hint)
    elif parts.query or parts.fragment:
        inputs.error(("url",), f"the URL has a query or a fragment: `{url}`", "remove it")
    return url.rstrip("/")


def find_sources(spec: Wheelhouse, inputs: Inputs) -> dict[str, Venv]:
    """Return the declared venvs that the patterns of a table match, by address.

    Those declared absent don't need wheels. Reports a pattern without a match to `inputs`.
    """
    if spec.state == "absent":
        return {}
    venvs = {
        address: table for address, table in inputs.declared.items() if address.startswith("venv.")
    }
    selected: set[str] = set()
    for index, pattern in enumerate(spec.venvs):
        matching = {address for address in venvs if fnmatchcase(address, pattern)}
        if not matching:
            # Imported here: it needs libraries that a valid declaration doesn't.
            from engine.declaration.validate import suggest

            hint = suggest(pattern, list(venvs)) or "declare the venv in a file of the same run"
            inputs.error(("venvs", index), f"`{pattern}` matches no venv", hint)
        selected |= matching
    return {
        address: venv
        for address, venv in venvs.items()
        if address in selected and venv.state == "present"
    }
