"""What a generation holds besides packages: linked modules, lasting folders, owners, modes."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import suppress

from engine.errors import ConvergeError, PermissionDenied
from engine.system.files import fsync_dir, symlink
from engine.system.linux import sync_filesystem
from engine.system.permissions import untrusted_reason
from states.system import subprocesses
from states.interpreter import discovery as pythons
from states.venv.integrity import manifest as seals
from states.venv.integrity.dist_info import site_packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.interpreter.discovery import Python
    from states.venv.spec import Venv
    from states.venv.generations.store import Store

Ids = tuple[int, int]
"""Of a user and a group, as chown takes them: -1 for the one that is there."""
KEEP_OWNER: Ids = (-1, -1)
"""Nothing is to be given to anybody."""


def link_system_packages(root: str, spec: Venv, python: Python, work: str) -> None:
    """Link modules of the interpreter's own packages in, by name, each file that makes them up."""
    if not spec.system_packages:
        return
    program = pythons.probe_program("site.getsitepackages()")
    ended = subprocesses.run(
        [python.executable, "-I", "-B", "-c", program], env=subprocesses.clean_environment(work), cwd=work
    )
    told = pythons.parse_probe(ended)
    if told is None:
        raise ConvergeError(
            f"{python} does not tell where its own packages are", output=ended.last_lines()
        )
    folders = [one for one in told if os.path.isdir(one)]
    site = site_packages(root)[0]
    for module in spec.system_packages:
        found = [
            os.path.join(folder, name)
            for folder in folders
            for name in sorted(os.listdir(folder))
            if _makes_up(name, module)
        ]
        if not found:
            raise ConvergeError(
                f"the interpreter's own packages have no module `{module}`",
                hint=f"install the distribution's package for it; looked in {', '.join(folders)}",
            )
        for path in found:
            target = f"{root}/{site}/{os.path.basename(path)}"
            if not os.path.lexists(target):
                symlink(path, target)


def keep_persistent(root: str, spec: Venv, store: Store, ids: Ids) -> None:
    """Let folders live outside of the generation, and link them in.

    The first generation's content becomes the folder's first content, and its owner's; from
    then on what is there stays as it is.
    """
    for name in spec.persistent:
        inside, lasting = f"{root}/{name}", f"{store.persistent}/{name}"
        if not os.path.isdir(lasting):
            _make_above(store, name)
            aside = f"{store.root}/next-{os.path.basename(name)}"
            _fill(aside, inside, ids)
            try:
                os.rename(aside, lasting)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                shutil.rmtree(aside)
                _fill_over_there(lasting, inside, ids)
        if os.path.isdir(inside):
            shutil.rmtree(inside)
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        symlink(os.path.relpath(lasting, os.path.dirname(inside)), inside)


def _fill(folder: str, inside: str, ids: Ids) -> None:
    """Make a folder with the content that one of the generation has, if it is there."""
    if os.path.isdir(inside):
        shutil.copytree(inside, folder, symlinks=True)
    else:
        os.mkdir(folder, 0o755)
    chmod_tree(folder)
    chown_tree(folder, ids)
    os.chown(folder, *ids)


def _fill_over_there(lasting: str, inside: str, ids: Ids) -> None:
    """Make a lasting folder on a disk of its own, which is flushed with no generation."""
    above, name = os.path.split(lasting)
    aside = f"{above}/.{name}.next"
    with suppress(FileNotFoundError):
        shutil.rmtree(aside)  # left by a killed run
    _fill(aside, inside, ids)
    sync_filesystem(aside)
    os.rename(aside, lasting)
    fsync_dir(above)


def _make_above(store: Store, name: str) -> None:
    """Make the folders above a lasting one; refuse one of others, who could lead us elsewhere.

    As one may be that was persistent itself, and was given to an owner, or is a disk of its own.
    """
    folder = store.root
    for part in (os.path.basename(store.persistent), *name.split("/")[:-1]):
        folder = f"{folder}/{part}"
        try:
            found = os.lstat(folder)
        except FileNotFoundError:
            os.mkdir(folder, 0o755)
            continue
        what = untrusted_reason(found) if stat.S_ISDIR(found.st_mode) else "is not a folder"
        if what:
            raise PermissionDenied(
                f"unsafe: `{folder}` {what}, who could lead elsewhere what is made below it",
                hint="make it persistent itself, or make the folder below it yourself",
            )


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


def _makes_up(name: str, module: str) -> bool:
    if name in (module, f"{module}.py"):
        return True
    return name.startswith(f"{module}.") and name.endswith(".so")
