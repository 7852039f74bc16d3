"""Errors about declared files that the host implies before anything is built."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.system.existence import exists
from states.venv.files.capabilities import require_support

if TYPE_CHECKING:
    from engine.kind import MayCreate
    from states.venv.layout import Store
    from states.venv.spec import Venv


def check_files(spec: Venv, store: Store, may_create: MayCreate) -> None:
    """Check that capabilities can be set, and that the targets outside the venv exist.

    This only reads.

    Args:
        spec: The declared venv.
        store: Its store, which might not exist.
        may_create: Whether a dependency may create a path.

    Raises:
        ConvergeError: Applying the venv would fail.

    """
    for name, file in spec.files.items():
        if file.capabilities is not None:
            require_support(store.root, name)
        link = file.link or ""
        if os.path.isabs(link) and not may_create(link):
            require_target(name, link, link)


def require_target(name: str, link: str, target: str) -> None:
    """Check that the target of a symlink exists.

    Args:
        name: The declared path of the symlink.
        link: The declared target.
        target: The absolute target.

    Raises:
        ConvergeError: It doesn't exist.

    """
    if not exists(target):
        raise ConvergeError(
            f"the target of `{name}` doesn't exist: `{link}`", hint="create the target first"
        )
