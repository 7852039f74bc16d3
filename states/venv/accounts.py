"""The declared owner and group of a venv, which files record by ID only."""

from __future__ import annotations

import grp
import pwd
from typing import TYPE_CHECKING

from engine.errors import ConvergeError

if TYPE_CHECKING:
    from states.venv.integrity.receipt import Receipt
    from states.venv.spec import Venv


def find_accounts(spec: Venv) -> tuple[pwd.struct_passwd | None, int]:
    """Return the declared user, if any, and the ID of the declared group, or -1.

    Raises:
        ConvergeError: The user or the group doesn't exist.

    """
    try:
        user = pwd.getpwnam(spec.owner) if spec.owner else None
    except KeyError:
        raise ConvergeError(
            f"user doesn't exist: `{spec.owner}`", hint="create the user, or change `owner`"
        ) from None
    try:
        return user, grp.getgrnam(spec.group).gr_gid if spec.group else -1
    except KeyError:
        raise ConvergeError(
            f"group doesn't exist: `{spec.group}`", hint="create the group, or change `group`"
        ) from None


def renamed_accounts(receipt: Receipt) -> dict[str, str]:
    """Return the attributes of an owner and a group whose names now have other IDs.

    A user that was deleted and created again usually gets another ID. The files keep the old one.
    """
    renamed = {}
    if receipt.owner and receipt.uid not in (-1, _uid_of(receipt.owner)):
        renamed["owner"] = f"uid {receipt.uid}"
    if receipt.group and receipt.gid not in (-1, _gid_of(receipt.group)):
        renamed["group"] = f"gid {receipt.gid}"
    return renamed


def _uid_of(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _gid_of(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
