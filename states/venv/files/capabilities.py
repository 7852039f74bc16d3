"""File capabilities (capabilities(7)): their text form, their binary form, and whether they work.

The binary form is `struct vfs_cap_data`, revision 2, in include/uapi/linux/capability.h.
"""

from __future__ import annotations

import errno
import os
import re
import struct

from engine.errors import ConvergeError, PermissionDenied
from engine.system.existence import nearest_existing
from engine.system.linux import has_capability

ATTRIBUTE = "security.capability"
"""The extended attribute that contains the capabilities of a file."""
_NAMES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
    "setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw",
    "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
    "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
    "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog",
    "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
)  # fmt: skip
"""Names without `cap_`. The index of each is its number in the header."""
NUMBERS = {f"cap_{name}": number for number, name in enumerate(_NAMES)}
_TEXT = re.compile(r"(?P<names>\w+(?:,\w+)*)[+=](?P<flags>[eip]{1,3})", re.ASCII | re.IGNORECASE)
_REVISION_2 = 0x02000000
_EFFECTIVE = 0x000001
_UNSUPPORTED = (errno.ENOTSUP, errno.ENOSYS)


def parse(text: str) -> tuple[str, str]:
    """Return the normal form of capabilities, or an empty string and the reason.

    Args:
        text: Names and flags, such as `cap_net_raw,cap_net_admin+ep`.

    Returns:
        The form that getcap(8) prints, and the error.

    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        return "", f"invalid capabilities `{text}`"
    names, flags = match["names"].lower().split(","), match["flags"].lower()
    for name in names:
        if name not in NUMBERS:
            return "", f"unknown capability `{name}`"
    if not {*flags} & {*"ip"}:
        return "", f"`{text}` permits nothing"
    ordered = sorted(set(names), key=lambda name: NUMBERS[name])
    return f"{','.join(ordered)}={''.join(flag for flag in 'eip' if flag in flags)}", ""


def encode(text: str) -> bytes:
    """Return the value of the extended attribute for capabilities in the normal form."""
    names, _, flags = text.partition("=")
    mask = sum(1 << NUMBERS[name] for name in names.split(","))
    permitted, inheritable = (mask if flag in flags else 0 for flag in "pi")
    masks = [half >> shift & 0xFFFFFFFF for shift in (0, 32) for half in (permitted, inheritable)]
    return struct.pack("<5I", _REVISION_2 | (_EFFECTIVE if "e" in flags else 0), *masks)


def set_capabilities(path: str, text: str, name: str) -> None:
    """Give capabilities to a file.

    Args:
        path: The file. It must not be a symlink.
        text: The capabilities in the normal form.
        name: The declared path, for the message.

    Raises:
        ConvergeError: The kernel or the file system doesn't allow it.
        OSError: The disk failed.

    """
    try:
        os.setxattr(path, ATTRIBUTE, encode(text), follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.EPERM:
            raise _not_permitted(name) from None
        if error.errno in _UNSUPPORTED:
            raise _unsupported(path) from None
        raise


def require_support(directory: str, name: str) -> None:
    """Check whether files in a directory can get capabilities, as far as the host implies it.

    This only reads.

    Args:
        directory: The directory. It might not exist.
        name: The declared path of a file, for the message.

    Raises:
        ConvergeError: The file system doesn't support capabilities, or ignores them.
        PermissionDenied: The current process can't set them.

    """
    if not has_capability(NUMBERS["cap_setfcap"]):
        raise _not_permitted(name)
    directory = nearest_existing(directory)
    try:
        os.getxattr(directory, ATTRIBUTE)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            raise _unsupported(directory) from None
        if error.errno != errno.ENODATA:
            raise
    if os.statvfs(directory).f_flag & os.ST_NOSUID:
        raise ConvergeError(
            f"capabilities have no effect on the file system of `{directory}`: `nosuid`",
            hint="mount it without `nosuid`, or move the venv",
        )


def _not_permitted(name: str) -> PermissionDenied:
    return PermissionDenied(
        f"not permitted to set the capabilities of `{name}`",
        hint="run converge as root with CAP_SETFCAP, or remove `capabilities`",
    )


def _unsupported(path: str) -> ConvergeError:
    return ConvergeError(
        f"the file system doesn't support capabilities: `{path}`",
        hint="move the venv to another file system, or remove `capabilities`",
    )
