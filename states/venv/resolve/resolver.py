"""Asking uv for versions: once for the same inputs, and never on a run with nothing to do."""

from __future__ import annotations

import os

from engine import progress
from engine.declaration.inputs import decode
from engine.errors import ConvergeError, IntegrityError, Unavailable
from states.installer import uv
from states.installer.credentials import ELSEWHERE, credentials_error, netrc_at
from states.interpreter import discovery as pythons
from states.system.scratch import scratch_dir
from states.venv.resolve.hashes import filter_by_hash
from states.venv.resolve.pylock import Resolution, select_artifacts
from states.venv.resolve.requirements import (
    Line,
    drop_packages,
    exact_requirements,
    is_url,
    line_error,
    local_path,
    override_names,
    read_lines,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from urllib.request import OpenerDirector

    from engine.settings import Settings
    from states.interpreter.discovery import Python
    from states.venv.spec import Venv


def resolve(spec: Venv, python: Python, previous: str | None, settings: Settings) -> Resolution:
    """Choose versions for what the spec asks; `previous` ones stay where they still can."""
    with scratch_dir(settings.cache) as work:
        text = compile_lock(spec, python, previous, settings, work)
    return select_artifacts(text, python, "/", spec.local_digests())


def compile_lock(
    spec: Venv, python: Python, previous: str | None, settings: Settings, work: str
) -> str:
    """Return uv's lock for a spec, with all files that the interpreter could take."""
    progress.step("resolving versions")
    asked, bounds = _lines(spec.requirements, False, spec), _lines(spec.constraints, True, spec)
    asked = [*_own(spec.packages), *asked]
    environment = markers(python)
    pins = exact_requirements(asked, environment) | override_names(spec.overrides)
    bounds = [*[one for one in asked if one.constraint], *bounds]
    asked = [one for one in asked if not one.constraint]
    output = os.path.join(work, "pylock.toml")
    if previous is not None and settings.upgrade != frozenset() and _parses(previous):
        _write(output, [previous])
    arguments = [
        "pip",
        "compile",
        _write(f"{work}/asked.in", _texts(asked)),
        "--output-file",
        output,
    ]
    arguments += ["--format", "pylock.toml", "--python", python.executable, "--no-header"]
    for option, texts in (
        ("--constraints", _texts(drop_packages(bounds, pins))),
        ("--overrides", spec.overrides),
    ):
        if texts:
            arguments += [option, _write(f"{work}/{option.strip('-')}.txt", texts)]
    arguments += build_constraints(spec, work)
    for name in sorted(settings.upgrade or ()):
        arguments += ["--upgrade-package", name]
    arguments += _refreshed([*asked, *_own(spec.overrides)])
    if any("--pre" in line.options() for line in asked):
        arguments += ["--prerelease", "allow"]  # uv passes over pip's word for it
    arguments += uv.index_arguments(spec)
    try:
        uv.run_uv(arguments, work=work, cache=settings.cache, doing="choosing versions", spec=spec)
    except IntegrityError:
        # That may be what the cache has made of it.
        uv.clear_cache((), work=work, cache=settings.cache)
        uv.run_uv(arguments, work=work, cache=settings.cache, doing="choosing versions", spec=spec)
    with open(output, encoding="utf-8") as stream:
        given = [*asked, *_own(spec.overrides), *bounds]
        return filter_by_hash(_anchored(stream.read(), work), given, environment)


def markers(python: Python) -> dict[str, str]:
    """Return what the markers of requirements speak of (PEP 508), as an interpreter has it."""
    found = pythons.information(python).marker_environment
    return {name: str(said) for name, said in found.items()}


def build_constraints(spec: Venv, work: str) -> list[str]:
    """Return the arguments that bound the tools which build from source."""
    if not spec.build_constraints:
        return []
    lines = _lines(spec.build_constraints, True, spec)
    return ["--build-constraints", _write(f"{work}/build.txt", _texts(lines))]


def _anchored(lock: str, folder: str) -> str:
    """Return a lock, made in a folder, that means the same wherever it lies.

    uv names by a relative path what a local project finds beside itself.
    """
    import tomli
    import tomli_w

    document = tomli.loads(lock)
    entries = [
        one
        for package in document.get("packages", [])
        for key in ("wheels", "sdist", "archive", "directory", "vcs")
        for one in (package.get(key, []) if key == "wheels" else [package.get(key, {})])
    ]
    loose = [one for one in entries if not os.path.isabs(one.get("path", "/"))]
    for one in loose:
        one["path"] = os.path.normpath(os.path.join(folder, one["path"]))
    return tomli_w.dumps(document) if loose else lock


def _refreshed(lines: Iterable[Line]) -> list[str]:
    """Return the arguments that have local projects read again.

    uv takes what one requires from its cache though a source file has changed.
    """
    requirements = [line.requirement() for line in lines if line.local()]
    if None in requirements:
        return ["--refresh"]  # which names these have, only a build says
    names = sorted({one.name for one in requirements if one is not None})
    return [f"--refresh-package={name}" for name in names]


def _parses(text: str) -> bool:
    """Tell whether what was locked before can be read at all; if not, it binds nobody."""
    import tomli

    try:
        tomli.loads(text)
    except tomli.TOMLDecodeError:
        return False
    return True


def _own(packages: Iterable[str]) -> list[Line]:
    return [
        Line(text=text, file="the declaration", number=0, constraint=False) for text in packages
    ]


def _lines(names: Iterable[str], constraint: bool, spec: Venv) -> list[Line]:
    """Read files and what is behind URLs; raises for a line that no installer can take."""

    def read(name: str) -> str | None:
        return _fetched(name, spec.netrc) if is_url(name) else _local(name)

    lines: list[Line] = []
    for name in names:
        lines += read_lines(name, read, _missing, constraint=constraint)
    for line in lines:
        if wrong := line_error(line):
            words, hint = wrong
            kind = Unavailable if is_url(line.file) else ConvergeError
            raise kind(f"{line.place()}: {words}", hint=hint or "look at what is served there")
    return lines


def _missing(name: str, _by: Line | None) -> None:
    raise ConvergeError(f"no such file: `{name}`; it was there when the declaration was read")


def _local(path: str) -> str | None:
    try:
        with open(path, "rb") as stream:
            return decode(stream.read())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConvergeError(f"`{path}` {error}") from None


def _fetched(url: str, netrc: str) -> str | None:
    """Return what is behind a URL, by the standard library; raises `Unavailable`."""
    from http.client import HTTPException
    from urllib.error import HTTPError

    if words := credentials_error(url):
        raise ConvergeError(words, hint=ELSEWHERE)
    if url.lower().startswith("file://"):
        return _local(local_path(url) or "")
    progress.step(f"fetching {url}")
    opener = _opener(url, netrc)
    try:
        with opener.open(url, timeout=60) as answer:
            return decode(answer.read())
    except HTTPError as error:
        hint = "name its credentials in `netrc`" if error.code in (401, 403) else None
        words = f"`{url}` cannot be had: {error.code} {error.reason}"
        raise Unavailable(words, hint=hint) from None
    except (OSError, ValueError, HTTPException) as error:
        words = f"`{url}` cannot be had: {error}"
        raise Unavailable(words, hint="check the network") from None


def _opener(url: str, path: str) -> OpenerDirector:
    """Return what opens a URL with the password that a netrc file has for its host only."""
    from netrc import NetrcParseError, netrc
    from urllib.parse import urlsplit
    from urllib.request import (
        HTTPBasicAuthHandler,
        HTTPPasswordMgrWithDefaultRealm,
        ProxyHandler,
        build_opener,
    )

    known = HTTPPasswordMgrWithDefaultRealm()
    host = urlsplit(url)
    try:
        found = netrc(netrc_at(path)).authenticators(host.hostname or "") if path else None
    except NetrcParseError as error:
        raise ConvergeError(f"`{path}` line {error.lineno} is not as netrc files are") from None
    if found:
        known.add_password(None, f"{host.scheme}://{host.netloc}/", found[0], found[2] or "")
    return build_opener(ProxyHandler(_proxies()), HTTPBasicAuthHandler(known))


def _proxies() -> dict[str, str]:
    """Return the proxy of each scheme; `all_proxy`, too, which uv goes by and `urllib` does not.

    But not one that only passes bytes on (SOCKS), whose language `urllib` does not speak.
    """
    from urllib.request import getproxies

    found = getproxies()
    whole = found.get("all", "")
    if not whole or whole.lower().startswith("socks"):
        return found
    return {"http": whole, "https": whole, **found}


def _texts(lines: Iterable[Line]) -> list[str]:
    return [line.text for line in lines]


def _write(path: str, texts: Iterable[str]) -> str:
    with open(path, "w", encoding="utf-8") as stream:
        stream.writelines(f"{text}\n" for text in texts)
    return path
