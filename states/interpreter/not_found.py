"""The error for a request that no interpreter on the host satisfies."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.system.existence import exists

if TYPE_CHECKING:
    from collections.abc import Sequence


def not_found(
    request: str, installed: Sequence[str], searched: Sequence[str], skipped: Sequence[str] = ()
) -> ConvergeError:
    """Return the error, with the interpreters that the host has.

    Args:
        request: A version, a range, or an absolute path.
        installed: The interpreters on the host, with their paths.
        searched: The directories that were searched.
        skipped: The interpreters that root doesn't start, with the reason.

    Returns:
        The error.

    """
    choices = f"found {', '.join(installed)}" if installed else "found no interpreter"
    if os.path.isabs(request):
        reason = "isn't executable" if exists(request) else "doesn't exist"
        hint = 'install it, or choose another one; to search for one, write a version, as in "3.11"'
        return ConvergeError(f"interpreter `{request}` {reason}", hint=f"{hint}; {choices}")
    unsafe = f"; skipped {' and '.join(skipped)}" if skipped else ""
    is_version = re.fullmatch(r"[\d.]+", request)
    wanted = f"Python {request}" if is_version else "a matching Python"
    return ConvergeError(
        f'no interpreter found for `python = "{request}"`',
        hint=f"{choices}; choose one of them, or install {wanted}; converge installs none; "
        f"searched {', '.join(searched)}, and pyenv versions{unsafe}",
    )
