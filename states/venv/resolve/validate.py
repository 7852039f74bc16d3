"""Checking a `[venv.*]` table beyond its types, and reading all the files that it names."""

from __future__ import annotations

import functools
import json
import os
import re
import shlex
from datetime import datetime

from engine.frozen import replace
from engine.redaction import redact
from engine.system.files import sha256
from states.installer.credentials import ELSEWHERE, credentials_error
from states.interpreter import discovery
from states.venv.layout import METADATA_DIR
from states.venv.resolve import lockfile
from states.venv.resolve.requirements import (
    Line,
    is_url,
    line_error,
    local_path,
    read_lines,
    to_file_url,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.kind import Inputs
    from states.venv.spec import Venv

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?", re.IGNORECASE
)
"""RFC 3339. What counts from today, as uv takes it too, would choose anew on every host."""
_INDEX = re.compile(r"(https?|file)://.", re.IGNORECASE)
_VARIABLE = re.compile(r"env:[^=\0]+")
_MODE = re.compile(r"0?[0-7]{3}")
_ENVIRONMENT = re.compile(
    rf"(bin|{re.escape(METADATA_DIR)})(/.*)?|include|pyvenv\.cfg"
    r"|lib(64)?(/(python|pypy)[^/]*(/site-packages)?)?"
)
"""What a generation is made of, its packages too: it cannot live on beside it."""
_SYSTEM = {
    *("/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/opt", "/proc", "/root", "/run"),
    *("/sbin", "/srv", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/local", "/var"),
}


def validate(spec: Venv, source: Inputs, *, locking: bool) -> Venv:
    """Return the spec with absolute paths and the digest of its inputs.

    When `locking`, its lock file is about to be made and need not be there.
    """
    _check_names(spec, source)
    spec = replace(
        spec,
        mode=spec.mode.zfill(4),
        declared=f"{source.file} {'.'.join(str(part) for part in source.table)}",
        path=_path(spec, source),
        persistent=tuple(map(os.path.normpath, spec.persistent)),
        requirements=_places(spec.requirements, "requirements", source),
        constraints=_places(spec.constraints, "constraints", source),
        build_constraints=_places(spec.build_constraints, "build-constraints", source),
        find_links=_find_links(spec.find_links, source),
        packages=_requirements(spec, "packages", source),
        overrides=_requirements(spec, "overrides", source),
        lock=source.path(spec.lock, ("lock",)) if spec.lock else "",
        netrc=source.path(spec.netrc, ("netrc",)) if spec.netrc else "",
        index_url=_index(spec.index_url, ("index-url",), source),
        extra_index_url=tuple(
            _index(one, ("extra-index-url", n), source)
            for n, one in enumerate(spec.extra_index_url)
        ),
    )
    if spec.state == "absent":
        return spec
    lines = [
        *_lines(spec.requirements, "requirements", source),
        *_lines(spec.constraints, "constraints", source),
    ]
    build = _lines(spec.build_constraints, "build-constraints", source)
    lock = lockfile.read(spec, lines, source) if spec.lock and not locking else None
    origins = _origins(spec, [*lines, *build], lock, source)
    return replace(spec, origins=origins, inputs=_digest(spec, lines, build, origins, lock))


def _check_names(spec: Venv, source: Inputs) -> None:
    name = str(source.table[-1])
    if not _NAME.fullmatch(name):
        source.error((), f"`{name}` is no name for a venv", "use letters, digits, `.`, `_`, `-`")
    if not _MODE.fullmatch(spec.mode):
        source.error(("mode",), f"`{spec.mode}` is no mode", 'write it in octal, as in "0755"')
    elif int(spec.mode, 8) & 0o022:
        problem = f"`{spec.mode}` would let others replace what is in the venv"
        source.error(("mode",), problem, 'let them read at most, as in "0755"')
    if not spec.python.startswith("interpreter.") and not discovery.valid_request(spec.python):
        hint = 'write "3.11", ">=3.11,<3.13", an absolute path, or "interpreter.NAME"'
        source.error(("python",), f"`{spec.python}` names no interpreter", hint)
    if spec.exclude_newer and not _is_moment(spec.exclude_newer):
        hint = 'write a day or a moment, as in "2026-01-31" or "2026-01-31T12:00:00Z"'
        source.error(("exclude-newer",), f"`{spec.exclude_newer}` is no date", hint)
    if spec.keep < 0:
        source.error(("keep",), "`keep` must not be negative")
    _check_folders(spec, source)
    _check_modules(spec, source)
    _check_smoke(spec, source)


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text[: len("2026-01-31T12:00:00")])
    except ValueError:
        return False  # a day that no calendar has
    return bool(_MOMENT.fullmatch(text))


def _check_folders(spec: Venv, source: Inputs) -> None:
    for key in ("persistent", "ignore"):
        for index, one in enumerate(getattr(spec, key)):
            if os.path.isabs(one) or ".." in one.split("/") or not one.strip("/."):
                hint = 'write it relative to the venv, as in "etc/keystone"'
                source.error((key, index), f"`{one}` is no path inside the venv", hint)
    names = [os.path.normpath(one) for one in spec.persistent]
    for index, one in enumerate(names):
        others = (f"{other}/" for other in (*names[:index], *names[index + 1 :]))
        problem = ""
        if _ENVIRONMENT.fullmatch(one):
            problem = "belongs to the environment itself"
        elif f"{one}/".startswith(tuple(others)):
            problem = "is, or lies inside, another persistent folder"
        if problem:
            source.error(("persistent", index), f"`{spec.persistent[index]}` {problem}")


def _check_modules(spec: Venv, source: Inputs) -> None:
    for index, one in enumerate(spec.system_packages):
        if not one.strip() or "/" in one:
            source.error(("system-packages", index), f"`{one}` is no name of a module")


def _check_smoke(spec: Venv, source: Inputs) -> None:
    for index, one in enumerate(spec.smoke):
        try:
            program = next(iter(shlex.split(one)), "")
        except ValueError as error:
            source.error(("smoke", index), f"cannot be split into words: {error}")
            continue
        if not program.strip():
            source.error(("smoke", index), "an empty command")


def _path(spec: Venv, source: Inputs) -> str:
    path = source.path(spec.path, ("path",))
    if not spec.path.strip() or not spec.path.isprintable():
        source.error(("path",), f"{spec.path!r} is no path")
    elif not path.isprintable():  # a folder above the declaration is to blame
        source.error(("path",), f"{path!r} is no path", "rename the folder that cannot be printed")
    elif os.path.basename(os.path.normpath(spec.path)) in (".", ".."):
        source.error(("path",), f"`{spec.path}` names no folder of its own")
    elif ":" in path:
        source.error(
            ("path",), f"`{path}` cannot stand in `PATH`", "choose one that has no `:` in it"
        )
    elif path in _SYSTEM:
        source.error(
            ("path",), f"`{path}` belongs to the system", "name a folder of its own below it"
        )
    return path


def _places(names: tuple[str, ...], key: str, source: Inputs) -> tuple[str, ...]:
    return tuple(
        name if is_url(name) else source.path(name, (key, index))
        for index, name in enumerate(names)
    )


def _find_links(names: tuple[str, ...], source: Inputs) -> tuple[str, ...]:
    """Return absolute places; they are arguments of the installer, which all can see."""
    for index, name in enumerate(names):
        if words := credentials_error(name):
            source.error(("find-links", index), words, ELSEWHERE)
        if not name.strip():
            hint = 'leave it out, or write "." for the folder of this file'
            source.error(("find-links", index), f"`{name}` names no place", hint)
    return _places(names, "find-links", source)


def _index(url: str, key: tuple[str | int, ...], source: Inputs) -> str:
    """Check an index, the one URL that may hold a password."""
    if url.startswith("file:") and not url.startswith("file://"):
        return "file:" + source.path(url.removeprefix("file:"), key)
    if _VARIABLE.fullmatch(url) or not (url or key[1:]):
        return url  # an empty one is the default, but not among several
    if len(url.split()) > 1:
        source.error(key, f"`{url}` is no URL", "a space in a password is written `%20`")
    elif not _INDEX.match(url):
        hint = "as in `https://…`; or name it: `env:NAME`, `file:PATH`"
        source.error(key, f"`{url}` is no URL of an index", hint)
    return url


def _requirements(spec: Venv, key: str, source: Inputs) -> tuple[str, ...]:
    """Check PEP 508 requirements; those with a relative path get an absolute one."""
    from packaging.requirements import InvalidRequirement, Requirement

    good = []
    for index, text in enumerate(getattr(spec, key)):
        if not text.strip():
            continue  # generated lists have them
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            first = str(error).splitlines()[0]
            hint = "write it as PEP 508 does: `name`, `name>=1.2`, `name[extra]`, `name @ URL`"
            source.error(
                (key, index), f"`{text}` is no requirement: {first[:1].lower()}{first[1:]}", hint
            )
            continue
        if words := credentials_error(text):
            source.error((key, index), words, ELSEWHERE)
            continue
        if requirement.url and not is_url(requirement.url):
            requirement.url = to_file_url(
                requirement.url, functools.partial(source.path, key=(key, index))
            )
        if spec.state == "present" and (words := _missing(local_path(requirement.url or ""))):
            source.error((key, index), words)
        good.append(str(requirement))
    return tuple(good)


def _lines(names: tuple[str, ...], key: str, source: Inputs) -> list[Line]:
    """Return the lines of all local files that a key names; of a URL only that it is named."""
    lines = []
    for index, name in enumerate(names):

        def missing(file: str, by: Line | None, index: int = index) -> None:
            where = f", named in `{by.file}` line {by.number}" if by else ""
            source.error((key, index), f"no such file: `{file}`{where}")

        def read(file: str, index: int = index) -> str | None:
            return file if is_url(file) else source.read(file, (key, index))

        for line in read_lines(name, read, missing, constraint=key != "requirements"):
            if wrong := line_error(line):
                words, hint = wrong
                source.error((key, index), f"{line.place()}: {words}", hint)
                continue
            if words := _missing(line.local()):
                source.error((key, index), f"{line.place()}: {words}")
            lines.append(line)
    return lines


def _missing(path: str | None) -> str:
    """Say that a local project or file is not there; empty where it is, or none is asked for."""
    return f"no such project or file: `{path}`" if path and not os.path.exists(path) else ""


def _origins(spec: Venv, lines: list[Line], lock: str | None, source: Inputs) -> tuple[str, ...]:
    """Digest each local project or file that is asked for directly, or that a lock names."""
    from packaging.requirements import Requirement

    own = [Requirement(text).url or "" for text in (*spec.packages, *spec.overrides)]
    asked = {*map(local_path, own), *(line.local() for line in lines)}
    # Of those in a lock, some may be for other hosts than this one.
    locked = lockfile.projects(lock or "", os.path.dirname(spec.lock))
    keys = {path: ("packages",) if path in asked else ("lock",) for path in asked | locked if path}
    digests = {path: source.digest(path, "source-tree", keys[path]) for path in sorted(keys)}
    return tuple(f"{path}\0{digest}" for path, digest in digests.items())


def _digest(
    spec: Venv, lines: list[Line], build: list[Line], origins: tuple[str, ...], lock: str | None
) -> str:
    """Return the digest of what versions follow from: the same inputs, the same versions."""
    whole = {
        "packages": sorted(spec.packages),
        "overrides": sorted(spec.overrides),
        "lines": [[line.constraint, line.text] for line in lines],
        "build-constraints": [line.text for line in build],
        "indexes": [redact(one) for one in (spec.index_url, *spec.extra_index_url)],
        "find-links": spec.find_links,
        "no-index": spec.no_index,
        "exclude-newer": spec.exclude_newer,
        "origins": origins,
        "lock": sha256((lock or "").encode()),
    }
    if lock is not None:
        # A lock is all that counts; what it was made from may differ from host to host.
        whole = {"lock": whole["lock"], "origins": origins}
    return sha256(json.dumps(whole, sort_keys=True).encode())
