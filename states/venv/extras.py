"""What a generation holds besides packages: linked modules, lasting folders, owners, modes."""

from __future__ import annotations

import json
import os
import shutil
import stat

from engine.errors import ConvergeError
from states import child
from states.venv import seal as seals
from states.venv.wheels import site_packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from states.python import Python
    from states.venv.spec import Venv
    from states.venv.store import Store


def link_system_packages(root: str, spec: Venv, python: Python, work: str) -> None:
    """Link modules of the interpreter's own packages in, by name, each file that makes them up."""
    if not spec.system_packages:
        return
    program = "import json, site; print(json.dumps(site.getsitepackages()))"
    ended = child.run(
        [python.executable, "-I", "-c", program], env=child.environment(work), cwd=work
    )
    folders = [one for one in json.loads(ended.output or "[]") if os.path.isdir(one)]
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
                os.symlink(path, target)


def keep_persistent(root: str, spec: Venv, store: Store) -> None:
    """Let folders live outside of the generation, and link them in.

    The first generation's content becomes the folder's first content; from then on what
    is there stays as it is.
    """
    for folder in spec.persistent:
        name = folder.strip("/")
        inside, lasting = f"{root}/{name}", f"{store.persistent}/{name}"
        if not os.path.isdir(lasting):
            os.makedirs(os.path.dirname(lasting), exist_ok=True)
            aside = f"{store.root}/next-{os.path.basename(name)}"
            if os.path.isdir(inside):
                shutil.copytree(inside, aside, symlinks=True)
            else:
                os.mkdir(aside, 0o755)
            os.rename(aside, lasting)
        if os.path.isdir(inside):
            shutil.rmtree(inside)
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        os.symlink(os.path.relpath(lasting, os.path.dirname(inside)), inside)


def own(root: str, spec: Venv) -> None:
    """Set owner, group and mode of all there is; last of all the mode of the folder itself."""
    uid, gid = _ids(spec)
    for path, one in seals.walk(root):
        whole = f"{root}/{path}"
        found = one.stat(follow_symlinks=False)
        if (uid, gid) != (-1, -1):
            os.chown(whole, uid, gid, follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            continue
        mode = 0o755 if stat.S_ISDIR(found.st_mode) or found.st_mode & 0o111 else 0o644
        if stat.S_IMODE(found.st_mode) != mode:
            os.chmod(whole, mode)
    if (uid, gid) != (-1, -1):
        os.chown(root, uid, gid)
    os.chmod(root, int(spec.mode, 8))


def _ids(spec: Venv) -> tuple[int, int]:
    import grp
    import pwd

    try:
        uid = pwd.getpwnam(spec.owner).pw_uid if spec.owner else -1
    except KeyError:
        raise ConvergeError(f"no user `{spec.owner}` here", hint="create it first") from None
    try:
        gid = grp.getgrnam(spec.group).gr_gid if spec.group else -1
    except KeyError:
        raise ConvergeError(f"no group `{spec.group}` here", hint="create it first") from None
    return uid, gid


def _makes_up(name: str, module: str) -> bool:
    if name in (module, f"{module}.py"):
        return True
    return name.startswith(f"{module}.") and name.endswith(".so")
