"""Owner, group, and mode of what a generation holds."""

from __future__ import annotations

import os
import stat

from engine.errors import ConvergeError
from states.venv.integrity import manifest as seals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.venv.spec import Venv

Ids = tuple[int, int]
"""Of a user and a group, as chown takes them: -1 for the one that is there."""
KEEP_OWNER: Ids = (-1, -1)
"""Nothing is to be given to anybody."""


def resolve_ids(spec: Venv) -> Ids:
    """Return the ids of the owner and the group that a spec names."""
    import grp
    import pwd

    try:
        user = pwd.getpwnam(spec.owner) if spec.owner else None
    except KeyError:
        raise ConvergeError(f"no user `{spec.owner}` here", hint="create it first") from None
    try:
        gid = grp.getgrnam(spec.group).gr_gid if spec.group else -1
    except KeyError:
        raise ConvergeError(f"no group `{spec.group}` here", hint="create it first") from None
    if os.geteuid() != 0 and ~int(spec.mode, 8) & 0o700:
        raise ConvergeError(
            f'`mode = "{spec.mode}"` shuts us out, who are not root',
            hint='let the user who runs converge read, write and enter, as in "0700"',
        )
    if user is not None and user.pw_uid not in (0, os.geteuid()):
        groups = os.getgrouplist(user.pw_name, user.pw_gid)
        inside = (os.getegid() if gid == -1 else gid) in groups
        if not int(spec.mode, 8) & (0o010 if inside else 0o001):
            raise ConvergeError(
                f'`mode = "{spec.mode}"` shuts the owner `{spec.owner}` out',
                hint="the venv's own folder is not given to them: name a `group` of theirs, "
                "with a mode such as 0750",
            )
    return (user.pw_uid if user else -1, gid)


def set_root_mode(root: str, spec: Venv, ids: Ids) -> None:
    """Let others into a generation as far as is declared.

    The folder itself stays ours, so that nobody can exchange the notes in it.
    """
    os.chown(root, -1, ids[1])
    os.chmod(root, int(spec.mode, 8))


def chmod_tree(root: str) -> None:
    """Set the mode of all below a folder, which must still be ours alone."""
    for path, one in seals.walk(root):
        found = one.stat(follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            continue
        mode = 0o755 if stat.S_ISDIR(found.st_mode) or found.st_mode & 0o111 else 0o644
        if stat.S_IMODE(found.st_mode) != mode:
            os.chmod(f"{root}/{path}", mode)


def chown_tree(root: str, ids: Ids) -> None:
    """Give all below a folder to its owner, the deepest first.

    Who owns a folder can exchange what is in it, also while we work: so nothing is touched
    below one that was given away.
    """
    if ids != KEEP_OWNER:
        for path, _ in reversed([*seals.walk(root)]):
            os.chown(f"{root}/{path}", *ids, follow_symlinks=False)
