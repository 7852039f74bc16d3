"""Validate the table `files` of a venv."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from engine.frozen import replace
from engine.system.files import sha256
from states.venv.files.capabilities import parse
from states.venv.files.paths import SITE_PACKAGES
from states.venv.files.source import (
    EXECUTABLE,
    OPEN_TO_ALL,
    PRIVATE,
    SCRIPT,
    Source,
    parse_source,
)
from states.venv.integrity.dist_info import is_part_of_module
from states.venv.layout import METADATA_DIR

if TYPE_CHECKING:
    from engine.table import Inputs, Key
    from states.venv.spec import File, Venv

_MODE = re.compile(r"0?[0-7]{3}")
_EXAMPLE = 'write it relative to the venv, as in "bin/start" or "{site-packages}/web/local.py"'
_LITERAL_SITE = re.compile(r"lib(64)?/(python|pypy)[^/]*(/site-packages)?(?P<rest>/.*)?")
_ENVIRONMENT = re.compile(
    rf"{re.escape(METADATA_DIR)}(/.*)?|pyvenv\.cfg|bin|include|lib|lib64(/.*)?"
    r"|bin/(python|pypy)[\d.]*t?|bin/((de)?activate[^/]*|pydoc\.bat)"
    rf"|{re.escape(SITE_PACKAGES)}(/(_virtualenv|(\w{{3}})?_converge(_startup)?)\.(py|pth|start))?"
)
"""Paths that virtualenv or converge creates."""


def validate_files(spec: Venv, inputs: Inputs) -> dict[str, File]:
    """Check each entry of `files`, and read its source.

    Args:
        spec: The table. Its path is absolute.
        inputs: Reads the sources, and collects errors.

    Returns:
        The entries with absolute sources, digests, and modes.

    """
    files = {}
    for path, file in spec.files.items():
        problem, hint = _path_error(path, spec)
        if problem:
            inputs.error(("files", path), problem, hint, marks_key=True)
        else:
            files[path] = _Entry(spec, path, file, inputs).normalize()
    return files


def _path_error(path: str, spec: Venv) -> tuple[str, str]:
    """Return the message and the hint about a path at which no file can be, or empty strings."""
    parts = path.split("/")
    if not path.isprintable():
        return f"invalid path {path!r}", ""
    if not path.strip() or os.path.isabs(path) or ".." in parts:
        return f"path isn't inside the venv: `{path}`", _EXAMPLE
    if os.path.normpath(path) != path:
        return f"invalid path `{path}`", f'write "{os.path.normpath(path)}"'
    if re.search(r"\{.*\}", path) and (parts[0] != SITE_PACKAGES or "{" in "".join(parts[1:])):
        return f"invalid placeholder in `{path}`", f"only `{SITE_PACKAGES}/…` has one"
    if literal := _LITERAL_SITE.fullmatch(path):
        name = f"{SITE_PACKAGES}{literal['rest'] or '/…'}"
        return f"`{path}` depends on the version of Python", f'write "{name}"'
    if problem := _reserved(path, parts, spec):
        return f"`{path}` {problem}", "choose another path"
    for other in spec.files:
        if path.startswith(f"{other}/"):
            return f"`{path}` is inside the file `{other}`", "remove one of them"
    return "", ""


def _reserved(path: str, parts: list[str], spec: Venv) -> str:
    """Return why a path belongs to something else, or an empty string.

    Args:
        path: The path.
        parts: Its parts.
        spec: The table.

    Returns:
        The end of a sentence that begins with the path.

    """
    in_site = parts[1] if parts[0] == SITE_PACKAGES and len(parts) > 1 else ""
    if _ENVIRONMENT.fullmatch(path):
        return "is part of the environment itself"
    if in_site.endswith((".dist-info", ".egg-info")):
        return "is metadata of a package"
    if "__pycache__" in parts:
        return "is bytecode, which converge creates itself"
    if in_site and any(is_part_of_module(in_site, name) for name in spec.system_packages):
        return "is part of a module in `system-packages`"
    for name in spec.persistent:
        literal = _LITERAL_SITE.fullmatch(name)
        directory = f"{SITE_PACKAGES}{literal['rest'] or ''}" if literal else name
        if f"{path}/".startswith(f"{directory}/"):
            return f"is in the persistent directory `{name}`"
        if directory.startswith(f"{path}/"):
            return f"contains the persistent directory `{name}`"
    return ""


class _Entry:
    """One entry, whose path is valid."""

    def __init__(self, spec: Venv, path: str, file: File, inputs: Inputs) -> None:
        self.spec = spec
        self.path = path
        self.file = file
        self.inputs = inputs

    def normalize(self) -> File:
        """Return the entry with an absolute source, its digest, and its mode."""
        file = self.file
        sources = {"from": file.from_, "content": file.content, "link": file.link}
        names = [f"`{name}`" for name, value in sources.items() if value is not None]
        if len(names) > 1:
            self._error((), f"{' and '.join(names)} exclude each other", "keep one of them")
            return file
        if not names and file.mode is None and file.capabilities is None:
            hint = 'set `from`, `content`, or `link`, as in `from = "local.py"`'
            self._error((), f"no content for `{self.path}`", hint)
            return file
        self._check_mode()
        capabilities = self._capabilities()
        if file.link is not None:
            return replace(file, link=self._link(file.link))
        source = self._source()
        if file.capabilities is not None and SCRIPT in source.flags:
            hint = "give them to a compiled program, or to the unit: `AmbientCapabilities=`"
            self._error(("capabilities",), "capabilities have no effect on a script", hint)
        return replace(
            file,
            from_=self._absolute(file.from_),
            mode=self._mode(source),
            capabilities=capabilities,
            digest=source.digest,
        )

    def _error(self, key: Key, message: str, hint: str = "") -> None:
        self.inputs.error(("files", self.path, *key), message, hint)

    def _absolute(self, path: str | None) -> str | None:
        return self.inputs.path(path, ("files", self.path, "from")) if path else path

    def _check_mode(self) -> None:
        file = self.file
        if file.link is not None:
            for key, value in (("mode", file.mode), ("capabilities", file.capabilities)):
                if value is not None:
                    self._error((key,), f"a symlink has no `{key}`", "remove it")
        elif file.mode is None:
            return
        elif not _MODE.fullmatch(file.mode):
            self._error(("mode",), f"invalid mode `{file.mode}`", 'write it in octal: "0644"')
        elif int(file.mode, 8) & 0o022:
            message = f"mode `{file.mode}` lets other users write the file"
            self._error(("mode",), message, 'give them at most read access, as in "0644"')
        elif not int(file.mode, 8) & 0o400:
            message = f"mode `{file.mode}` doesn't let its owner read the file"
            self._error(("mode",), message, 'let the owner read it, as in "0600"')
        elif file.capabilities is not None and not int(file.mode, 8) & 0o111:
            message = f"mode `{file.mode}` doesn't let anyone run the program"
            self._error(("mode",), message, 'make it executable, as in "0755"')

    def _capabilities(self) -> str | None:
        text = self.file.capabilities
        if text is None:
            return None
        capabilities, problem = parse(text)
        if problem:
            self._error(("capabilities",), problem, 'write "cap_net_bind_service=ep", for example')
        return capabilities

    def _link(self, link: str) -> str:
        """Return the target of a symlink: an absolute path, or a path in the venv."""
        key: Key = ("files", self.path, "link")
        absolute = self.inputs.path(link, key) if link.startswith(("/", "~", "$")) else ""
        relative = os.path.normpath(link)
        if absolute and f"{absolute}/".startswith(f"{self.spec.path}/"):
            # The published path could point to another generation later.
            inside = os.path.relpath(absolute, self.spec.path)
            self._error(("link",), f"`{link}` is in the same venv", f'write "{inside}"')
        elif not absolute and (not link.strip() or relative.split("/")[0] in ("..", ".")):
            message = f"not a path inside the venv: `{link}`"
            self._error(("link",), message, "write an absolute path, or one relative to the venv")
        elif literal := None if absolute else _LITERAL_SITE.fullmatch(relative):
            hint = f'write "{SITE_PACKAGES}{literal["rest"] or ""}"'
            self._error(("link",), f"`{link}` depends on the version of Python", hint)
        elif relative == self.path:
            self._error(("link",), f"`{link}` is the path of the symlink itself")
        return absolute or relative

    def _source(self) -> Source:
        """Return the source. A file of a package has none."""
        file = self.file
        if file.content is not None:
            flags = EXECUTABLE + SCRIPT if file.content.startswith("#!") else ""
            return Source(sha256(file.content.encode()), "", flags)
        if file.from_ is None:
            return Source("", "", "")
        if not file.from_:
            self._error(("from",), "`from` is empty", "name a file")
            return Source("", "", "")
        key: Key = ("files", self.path, "from")
        text = self.inputs.digest(self._absolute(file.from_) or "", "declared-file", key)
        source = parse_source(text) if text else Source("", "", "")
        if source.problem:
            hint = "link to it with `link`, or name a file in it"
            is_directory = source.problem == "is a directory"
            message = f"`{file.from_}` {source.problem}"
            self._error(("from",), message, hint if is_directory else "name a regular file")
        elif OPEN_TO_ALL in source.flags and os.geteuid() == 0:
            message = f"unsafe source `{file.from_}`: world-writable, and root would install it"
            self._error(("from",), message, f"review it, then run `chmod o-w {file.from_}`")
        elif PRIVATE in source.flags and file.mode is None:
            message = f"`{file.from_}` is private, but its copy would be readable by all users"
            self._error(("from",), message, 'set `mode`, as in "0600" or "0644"')
        return source

    def _mode(self, source: Source) -> str | None:
        if self.file.mode is not None:
            return self.file.mode.zfill(4)
        if not source.digest:
            return None  # The file of a package keeps its mode.
        is_program = EXECUTABLE in source.flags or self.file.capabilities is not None
        return "0755" if is_program else "0644"
