"""The target of a link: a path, or `venv.NAME:path/inside`."""

from __future__ import annotations

import os
import re

from engine.errors import ConvergeError
from engine.system.existence import entry_exists, exists, listdir_or_empty
from states.venv.interpreter_links import lost_environment
from states.venv.layout import NEW, store_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.kind import Dependencies
    from engine.table import Inputs

_LIKE_VENV = re.compile(r"[\w.-]+:(?!//)")
"""The beginning of a target that looks like `NAME:path/inside`."""
_MAX_LISTED = 6
"""Names of scripts in a hint."""


def normalize_target(to: str, inputs: Inputs, *, linked: bool) -> str:
    """Return the target with an absolute path, unless it is inside a venv. Reports errors.

    Args:
        to: The declared target, which may be empty.
        inputs: Makes paths absolute, and collects errors.
        linked: Whether the link must exist.

    Returns:
        The normalized target.

    """
    if not to or to.startswith("venv."):
        if to:
            _validate_inside(to, inputs, linked=linked)
        return to
    if _LIKE_VENV.match(to):
        hint = f'write "venv.{to}"; for a file of that name, write "./{to}"'
        inputs.error(("to",), f"`{to}` looks like a link into a venv", hint)
    return inputs.path(to, ("to",))


def target_of(path: str, to: str, dependencies: Dependencies) -> str:
    """Return the target: below the published path of the venv, or as declared.

    Args:
        path: The path of the link.
        to: The declared target.
        dependencies: The venv of the target, if any.

    Returns:
        The target of the symlink.

    Raises:
        ConvergeError: The venv is declared absent.

    """
    if not to.startswith("venv."):
        return to
    address, _, inside = to.partition(":")
    state, _ = dependencies[address]
    if state is None:
        raise ConvergeError(
            f"`{path}` points into `{address}`, which is declared absent",
            hint='also declare the link with `state = "absent"`',
        )
    return os.path.join(state["path"], inside)


def content_dir(to: str, dependencies: Dependencies) -> str | None:
    """Return the directory with the content of the target's venv.

    None if the content isn't known: a plan can't predict a new generation.
    """
    if not to.startswith("venv."):
        return None
    state = dependencies[to.partition(":")[0]][0] or {}
    if "generation" not in state:
        return state.get("path")
    generation = state["generation"]
    return None if generation == NEW else store_of(state["path"]).generation(generation)


def is_repaired_by_venv(to: str, content: str | None) -> bool:
    """Return whether applying the venv restores the target.

    In a plan, the new generation doesn't exist yet, and may contain the target.
    """
    if not to.startswith("venv."):
        return False
    _, _, inside = to.partition(":")
    return content is None or entry_exists(os.path.join(content, inside))


def require_script(to: str, content: str) -> None:
    """Check that a venv contains the target of a link.

    Args:
        to: The target.
        content: The directory with the content of the venv.

    Raises:
        ConvergeError: It doesn't.

    """
    address, _, inside = to.partition(":")
    if exists(os.path.join(content, inside)):
        return
    # Imported here: a no-op run explains no error.
    from difflib import get_close_matches

    directory = os.path.dirname(inside)
    names = listdir_or_empty(os.path.join(content, directory))
    names = [name for name in names if not name.startswith((".", "__", "activate"))]
    listed = [*get_close_matches(os.path.basename(inside), names, _MAX_LISTED), *sorted(names)]
    hint = f"`{directory or '.'}` contains {', '.join(list(dict.fromkeys(listed))[:_MAX_LISTED])}"
    more = ", …" if len(names) > _MAX_LISTED else ""
    raise ConvergeError(
        f"`{address}` has no `{inside}`",
        hint=hint + more if names else f"no package of `{address}` installs it; correct `to`",
    )


def _validate_inside(to: str, inputs: Inputs, *, linked: bool) -> None:
    """Report a target that isn't `venv.NAME:path/inside`, or an interpreter there.

    Args:
        to: The declared target.
        inputs: Collects errors.
        linked: Whether the link must exist.

    """
    name, colon, inside = to.partition(":")
    if inside and not os.path.isabs(inside) and ".." not in inside.split("/"):
        problem = lost_environment(inside, to) if linked else None
        if problem:
            inputs.error(("to",), *problem)
        return
    hint = 'for example: "venv.web:bin/web"'
    if not colon and "/" in name:
        hint = f'write "{name.replace("/", ":", 1)}"'
    inputs.error(("to",), f"not a path inside a venv: `{to}`", hint)
