"""Set the owner, the group, and the modes of a generation."""

from __future__ import annotations

import os
import pwd
import stat
from typing import TYPE_CHECKING

from engine.errors import ConvergeError, PermissionDenied
from engine.system.existence import status
from engine.system.linux import CAP_CHOWN, has_capability
from states.interpreter.user import user_of_python
from states.system.users import with_groups
from states.venv.accounts import find_accounts
from states.venv.integrity.manifest import walk

if TYPE_CHECKING:
    from collections.abc import Container

    from states.system.subprocesses import User
    from states.venv.build.stages import Draft, Ids
    from states.venv.layout import Store
    from states.venv.spec import Venv

KEEP_OWNER: Ids = (-1, -1)
"""Neither an owner nor a group is declared."""


def resolve_ids(spec: Venv) -> Ids:
    """Return the IDs of the owner and the group that a spec names.

    Raises:
        ConvergeError: The user or the group doesn't exist, or the mode would lock out the
            current user or the owner.
        PermissionDenied: The current user can't give files to them.

    """
    user, gid = find_accounts(spec)
    _require_right_to_give(spec, user, gid)
    mode = int(spec.mode, 8)
    if os.geteuid() != 0 and ~mode & 0o700:
        raise ConvergeError(
            f'`mode = "{spec.mode}"` would lock out the current user',
            hint='let the current user read, write, and search it, as in "0700"',
        )
    if user is not None and user.pw_uid not in (0, os.geteuid()):
        groups = os.getgrouplist(user.pw_name, user.pw_gid)
        is_member = (os.getegid() if gid == -1 else gid) in groups
        if not mode & (0o010 if is_member else 0o001):
            raise ConvergeError(
                f'`mode = "{spec.mode}"` would lock out the owner `{spec.owner}`',
                hint="the directory of a generation keeps its owner; set `group` to a group of "
                "that user, with a mode such as 0750",
            )
    return (user.pw_uid if user else -1, gid)


def _require_right_to_give(spec: Venv, user: pwd.struct_passwd | None, gid: int) -> None:
    """Check that the current user may give files to the owner and the group (chown(2)).

    Args:
        spec: The declared venv.
        user: Its owner, if declared.
        gid: Its group, or -1.

    Raises:
        PermissionDenied: Only a process with the capability CAP_CHOWN may.

    """
    other_user = user is not None and user.pw_uid != os.geteuid()
    other_group = gid not in (-1, os.getegid(), *os.getgroups())
    if (other_user or other_group) and not has_capability(CAP_CHOWN):
        account = f'owner = "{spec.owner}"' if other_user else f'group = "{spec.group}"'
        raise PermissionDenied(
            f"`{account}`: the current user can't give files away",
            hint="run converge as root, or remove the key",
        )


def user_of_code(spec: Venv, store: Store) -> User | None:
    """Return the user who can change code of a venv, or None if only the current user can.

    That is the declared owner. Without one, or if it is root, it is the owner of a persistent
    directory.
    """
    if os.geteuid() != 0:
        return None  # Only root can switch.
    user = pwd.getpwnam(spec.owner) if spec.owner else None
    if user is not None and user.pw_uid:
        return with_groups(user.pw_uid, user.pw_gid)
    for name in spec.persistent:
        directory = status(f"{store.persistent}/{name}")
        if directory is not None and directory.st_uid:
            return with_groups(directory.st_uid, directory.st_gid)
    return None


def set_root_mode(draft: Draft) -> None:
    """Set the declared group and mode of the generation's directory itself.

    It keeps its owner. Otherwise, the declared owner could replace the receipt and the manifest.
    """
    gid = draft.ids[1]
    if gid == -1 and user_of_python(draft.context.selection.python) is not None:
        gid = os.getegid()  # Until now, it was the group of the interpreter's user.
    os.chown(draft.root, -1, gid)
    os.chmod(draft.root, int(draft.context.spec.mode, 8))


def chmod_tree(root: str, kept: Container[str] = ()) -> None:
    """Set the mode of each entry below a directory: 0755 for executables, otherwise 0644.

    No other user may be able to write there, because chmod(2) follows a symlink.

    Args:
        root: The directory.
        kept: The files that keep their mode, relative to it.

    """
    for path, entry in walk(root):
        status = entry.stat(follow_symlinks=False)
        if not stat.S_ISLNK(status.st_mode) and path not in kept:
            mode = normalized_mode(status.st_mode)
            if stat.S_IMODE(status.st_mode) != mode:
                os.chmod(f"{root}/{path}", mode)


def normalized_mode(mode: int) -> int:
    """Return the mode of a file or directory in a generation, without regard to the umask."""
    return 0o755 if stat.S_ISDIR(mode) or mode & 0o111 else 0o644


def chown_tree(root: str, ids: Ids, kept: Container[str] = ()) -> None:
    """Change the owner of each entry below a directory, the deepest first.

    Args:
        root: The directory, which keeps its owner.
        ids: The new owner and group.
        kept: The files that keep their owner, relative to the directory.

    """
    if ids != KEEP_OWNER:
        # INVARIANT: the deepest first. The owner of a directory can exchange its entries, so
        # nothing may be changed below a directory after its own chown.
        for path, _ in reversed([*walk(root)]):
            if path in kept:
                continue
            os.chown(f"{root}/{path}", *ids, follow_symlinks=False)
