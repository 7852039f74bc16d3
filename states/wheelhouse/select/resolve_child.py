"""The process of a build user that resolves versions. `as_user` starts it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from engine.errors import ConvergeError, from_os_error
from engine.resource import from_dict
from engine.settings import Settings
from states.interpreter import discovery
from states.venv.kind import VenvKind
from states.venv.resolve.selection import resolve_versions

RESULT = "result.json"
"""The name of the file with the result."""


def main(request_path: str, top: str) -> None:
    """Resolve a request, and write the result into `out` of a directory.

    The file contains a lock and messages, or an error.
    """
    os.umask(0o022)
    request = json.loads(Path(request_path).read_text("utf-8"))
    upgrade = None if request["upgrade"] is None else frozenset(request["upgrade"])
    settings = Settings(cache=f"{top}/cache", state=f"{top}/cache/state", upgrade=upgrade)
    venv = from_dict(request["resource"], {"venv": VenvKind(settings)}).spec
    python = discovery.from_json(request["python"])
    result: dict[str, object]
    try:
        resolution = resolve_versions(venv, python, request["previous"], None, settings)
        result = {"lock": resolution.lock, "notices": resolution.notices}
    except (ConvergeError, OSError) as raised:
        error = from_os_error(raised) if isinstance(raised, OSError) else raised
        failure = {
            "class": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
            "output": error.output,
        }
        result = {"error": failure}
    Path(f"{top}/out/{RESULT}").write_text(json.dumps(result), "utf-8")
