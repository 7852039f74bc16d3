"""Extended attributes that belong to the state of a file: capabilities, ACLs, and `user.*`."""

from __future__ import annotations

import errno
import os

from engine.system.files import sha256

_NAMES = ("security.capability", "system.posix_acl_access", "system.posix_acl_default")
_UNSUPPORTED = (errno.ENOTSUP, errno.EPERM, errno.ENODATA, errno.ENOSYS)


def is_state(name: str) -> bool:
    """Return whether an attribute belongs to the state of a file.

    Others don't: a security policy assigns labels, and file systems store their own data.
    """
    return name in _NAMES or name.startswith("user.")


def read_attributes(path: str | int) -> dict[str, bytes]:
    """Return the attributes of a file or directory. A symlink isn't followed.

    Raises:
        OSError: They can't be read.

    """
    try:
        follow = {} if isinstance(path, int) else {"follow_symlinks": False}
        names = [name for name in os.listxattr(path, **follow) if is_state(name)]
        return {name: os.getxattr(path, name, **follow) for name in sorted(names)}
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return {}
        raise


def describe_attributes(path: str) -> str:
    """Return the name of each attribute and a digest of its value, or an empty string."""
    attributes = read_attributes(path)
    return " ".join(f"{name}={sha256(value)[:16]}" for name, value in attributes.items())


def changed_attributes(before: str, after: str) -> str:
    """Return the names of the attributes that differ between two descriptions."""
    pairs = {*before.split(" ")} ^ {*after.split(" ")}
    return ", ".join(sorted({pair.rpartition("=")[0] for pair in pairs if pair}))


def copy_attributes(source: int, target: int) -> None:
    """Copy the attributes of an open file to another one, as far as its file system has them."""
    for name, value in read_attributes(source).items():
        try:
            os.setxattr(target, name, value)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
