"""Put declared files into a generation that is being built."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from engine.errors import ConvergeError
from engine.system.existence import listdir_or_empty, lstat
from engine.system.files import sha256_of_file, symlink, write_all
from states.venv.files.capabilities import set_capabilities
from states.venv.files.paths import expand
from states.venv.files.preconditions import require_target
from states.venv.files.source import read_content, source_changed
from states.venv.integrity.pyc_paths import has_bytecode_path, pyc_path, source_of
from states.venv.integrity.wheels.records import is_reserved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from states.venv.build.stages import Draft, Populated
    from states.venv.integrity.inspection import Inspection
    from states.venv.spec import File


def place_files(populated: Populated, inspection: Inspection) -> None:
    """Create each declared file, in place of one that a package installed.

    Call it after the check of the RECORDs, which don't list these files, and before compiling.

    Args:
        populated: The generation.
        inspection: The result of the check. Receives the files.

    Raises:
        ConvergeError: A path can't be used, or a package lacks the file.
        IntegrityError: A source changed after the declaration was read.
        OSError: A file can't be read or written.

    """
    root = populated.draft.root
    for name, file in populated.draft.context.spec.files.items():
        path = expand(name, root)
        _require_usable(root, path, name, populated.baseline)
        if not file.is_placed:
            _require_packaged(root, path, name, inspection)
            if file.mode is not None and _changes_executability(root, path, file.mode):
                # A package keeps its executable bits when it is copied to other venvs.
                inspection.owners.pop(path)
            continue
        inspection.replaced[name] = _forget(root, path, inspection)
        os.makedirs(os.path.dirname(f"{root}/{path}"), exist_ok=True)
        if file.link is None:
            _write(f"{root}/{path}", file)
            inspection.digests[path] = file.digest
            if path.endswith(".py") and has_bytecode_path(path, root):
                inspection.own_sources.append(path)
        else:
            symlink(_target(root, path, file.link), f"{root}/{path}")


def set_metadata(draft: Draft) -> None:
    """Set the modes and the capabilities of declared files. Call it before the manifest.

    Bytecode contains the strings of its source, so it gets the same permissions.

    Raises:
        ConvergeError: Capabilities can't be set, or would have no effect.
        OSError: The disk failed.

    """
    root = draft.root
    for name, file in draft.context.spec.files.items():
        path = expand(name, root)
        if file.mode is not None:
            mode = int(file.mode, 8)
            os.chmod(f"{root}/{path}", mode)
            for bytecode in _bytecode_of(root, path):
                os.chmod(f"{root}/{bytecode}", mode & 0o666)
        if file.capabilities is not None:
            _set_capabilities(draft, path, name, file.capabilities)


def require_link_targets(draft: Draft) -> None:
    """Check that the target of each declared symlink exists.

    A persistent directory may get the target later.

    Raises:
        ConvergeError: A target doesn't exist.

    """
    spec, root = draft.context.spec, draft.root
    for name, file in spec.files.items():
        if file.link is None:
            continue
        target = file.link if os.path.isabs(file.link) else expand(file.link, root)
        is_data = f"{target}/".startswith(tuple(f"{directory}/" for directory in spec.persistent))
        if not is_data:
            require_target(name, file.link, os.path.join(root, target))


def placed_paths(draft: Draft) -> set[str]:
    """Return the files that converge created with mode 0600, relative to the generation."""
    files = draft.context.spec.files
    return {expand(name, draft.root) for name, file in files.items() if file.digest}


def privileged_paths(draft: Draft) -> set[str]:
    """Return the files with capabilities, relative to the generation.

    They keep their owner. Another one could write to them through a shared mapping, which doesn't
    remove capabilities, and run any code with them.
    """
    files = draft.context.spec.files
    return {expand(name, draft.root) for name, file in files.items() if file.capabilities}


def _require_usable(root: str, path: str, name: str, baseline: Mapping[str, str]) -> None:
    """Check that a path is free for a declared file.

    Args:
        root: The directory of the generation.
        path: The path, relative to it.
        name: The declared path, for the message.
        baseline: The files of the empty environment.

    Raises:
        ConvergeError: The path belongs to something else.

    """
    parents = path.split("/")[:-1]
    for count in range(1, len(parents) + 1):
        parent = "/".join(parents[:count])
        status = lstat(f"{root}/{parent}")
        if status is not None and not stat.S_ISDIR(status.st_mode):
            raise ConvergeError(
                f"`{name}` is inside `{parent}`, which isn't a directory",
                hint="choose another path in `files`",
            )
    status = lstat(f"{root}/{path}")
    if is_reserved(path, baseline) or (status is not None and stat.S_ISDIR(status.st_mode)):
        problem = "is a directory" if status and stat.S_ISDIR(status.st_mode) else "is reserved"
        raise ConvergeError(f"`{name}` {problem}", hint="choose another path in `files`")


def _require_packaged(root: str, path: str, name: str, inspection: Inspection) -> None:
    """Check that a package installed a file, whose content `files` doesn't declare.

    Args:
        root: The directory of the generation.
        path: The path, relative to it.
        name: The declared path, for the message.
        inspection: The owners of all files.

    Raises:
        ConvergeError: No package did.

    """
    status = lstat(f"{root}/{path}")
    is_file = status is not None and stat.S_ISREG(status.st_mode)
    if path not in inspection.owners or not is_file:
        raise ConvergeError(
            f"no package installs `{name}`",
            hint="set its content with `from`, `content`, or `link`",
        )


def _changes_executability(root: str, path: str, mode: str) -> bool:
    """Return whether a mode makes a file executable that isn't, or the reverse.

    Args:
        root: The directory of the generation.
        path: The file, relative to it.
        mode: The mode, in octal.

    Returns:
        Whether it does.

    """
    is_executable = os.lstat(f"{root}/{path}").st_mode & 0o111
    return bool(is_executable) != bool(int(mode, 8) & 0o111)


def _forget(root: str, path: str, inspection: Inspection) -> str:
    """Delete a file of a package, its bytecode, and the knowledge about both.

    Bytecode isn't checked against its source (ADR 3), so that of the old file must not remain.

    Args:
        root: The directory of the generation.
        path: The file, which might not exist.
        inspection: The knowledge.

    Returns:
        The name of the package, or an empty string.

    """
    for deleted in (path, *_bytecode_of(root, path)):
        if lstat(f"{root}/{deleted}") is not None:
            os.unlink(f"{root}/{deleted}")
        inspection.digests.pop(deleted, None)
    inspection.sources.pop(path, None)
    inspection.tolerated.pop(path, None)
    inspection.overlapping.pop(path, None)
    return inspection.owners.pop(path, "")


def _bytecode_of(root: str, path: str) -> Iterator[str]:
    """Yield the existing bytecode files of a source, for any version and optimization."""
    if path.endswith(".py"):
        directory = os.path.dirname(pyc_path(path, root))
        for name in sorted(listdir_or_empty(f"{root}/{directory}")):
            if name.endswith(".pyc") and source_of(f"{directory}/{name}") == path:
                yield f"{directory}/{name}"


def _write(path: str, file: File) -> None:
    """Write the content of a declared file, for the current user only.

    Raises:
        IntegrityError: The content isn't the declared one.
        OSError: The source can't be read, or the file can't be written.

    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)

    def written() -> Iterator[bytes]:
        for chunk in read_content(file):
            write_all(descriptor, chunk)
            yield chunk

    try:
        digest = sha256_of_file(written())
    finally:
        os.close(descriptor)
    if digest != file.digest:
        raise source_changed(file.from_ or "")


def _target(root: str, path: str, link: str) -> str:
    """Return the target of a symlink as it is on disk: relative, if it is in the venv.

    Args:
        root: The directory of the generation.
        path: The path of the symlink, relative to it.
        link: The declared target.

    Returns:
        The target.

    """
    if os.path.isabs(link):
        return link
    return os.path.relpath(expand(link, root), os.path.dirname(path))


def _set_capabilities(draft: Draft, path: str, name: str, capabilities: str) -> None:
    """Give capabilities to a program.

    Args:
        draft: The generation.
        path: The file, relative to it.
        name: The declared path, for messages.
        capabilities: The capabilities.

    Raises:
        ConvergeError: They can't be set, or would have no effect.
        OSError: The disk failed.

    """
    absolute = f"{draft.root}/{path}"
    status = os.lstat(absolute)
    with open(absolute, "rb") as stream:
        is_script = stream.read(2) == b"#!"
    if is_script or not status.st_mode & 0o111:
        problem = "a script" if is_script else "a file that isn't executable"
        raise ConvergeError(
            f"capabilities have no effect on {problem}: `{name}`",
            hint="give them to a compiled program, or to the unit: `AmbientCapabilities=`",
        )
    if status.st_nlink > 1:
        # Capabilities belong to the inode, so they would apply to its other names.
        raise ConvergeError(
            f"`{name}` has other hard links", hint="copy the file with `from`, or remove the links"
        )
    # INVARIANT: before the capabilities, because chown(2) removes them.
    os.chown(absolute, -1, draft.ids[1])
    set_capabilities(absolute, capabilities, name)
