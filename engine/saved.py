"""A plan in a file: approved by one person, done by another, or refused."""

from __future__ import annotations

import json
import os

from engine.errors import InputMissing, StalePlan, UsageError
from engine.files import write_durably
from engine.report import to_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.shapes import Report


def save(path: str, document: Report) -> None:
    """Write a plan out; it holds what `--json` prints, and no secret.

    Only a plain file is replaced: a device in its place would be gone for everybody.
    """
    if os.path.lexists(path) and (os.path.islink(path) or not os.path.isfile(path)):
        raise UsageError(
            f"`--out {path}` would replace what is no plain file",
            hint="`--json` prints what `--out` saves",
        )
    # A path that is no text is written as standard output has it.
    write_durably(os.path.abspath(path), to_json(document).encode("utf-8", "backslashreplace"))


def confirm(path: str, now: Report) -> None:
    """Raise `StalePlan` unless the saved plan says just what would be done now."""
    try:
        with open(path, encoding="utf-8") as stream:
            digest = json.load(stream)["digest"]
    except FileNotFoundError:
        raise InputMissing(
            f"no such plan: `{path}`", hint="`converge plan --out` makes one"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise InputMissing(f"not a saved plan: `{path}`") from None
    if digest != now["digest"]:
        raise StalePlan(
            f"the saved plan {digest} is no longer true: now it would be {now['digest']}",
            hint="nothing was done; make a new plan and look at it",
        )
