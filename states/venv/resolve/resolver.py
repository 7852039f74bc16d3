"""Asking uv for versions: once for the same inputs, and never on a run with nothing to do."""

from __future__ import annotations

from engine import progress
from engine.declaration.inputs import decode
from engine.errors import ConvergeError, Unavailable
from states.installer import IndexOptions, ResolveRequest
from states.installer.credentials import ELSEWHERE, credentials_error, require_netrc
from states.installer.uv import Uv
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
    """Return a lock for a spec, with all files that the interpreter accepts."""
    progress.step("resolving versions")
    asked, bounds = _lines(spec.requirements, False, spec), _lines(spec.constraints, True, spec)
    asked = [*_own(spec.packages), *asked]
    environment = markers(python)
    pins = exact_requirements(asked, environment) | override_names(spec.overrides)
    bounds = [*[one for one in asked if one.constraint], *bounds]
    asked = [one for one in asked if not one.constraint]
    given = [*asked, *_own(spec.overrides)]
    request = ResolveRequest(
        python=python.executable,
        requirements=_texts(asked),
        constraints=_texts(drop_packages(bounds, pins)),
        overrides=spec.overrides,
        build_constraints=build_constraints(spec),
        previous=None if settings.upgrade == frozenset() else previous,
        upgrade=settings.upgrade or frozenset(),
        projects=_local_names(given),
        allow_prereleases=any("--pre" in line.options() for line in asked),
        indexes=index_options(spec),
    )
    lock = Uv(settings.cache, work).resolve(request)
    return filter_by_hash(lock, [*given, *bounds], environment)


def markers(python: Python) -> dict[str, str]:
    """Return what the markers of requirements speak of (PEP 508), as an interpreter has it."""
    found = pythons.information(python).marker_environment
    return {name: str(said) for name, said in found.items()}


def build_constraints(spec: Venv) -> tuple[str, ...]:
    """Return the constraints on the tools that build from source."""
    return _texts(_lines(spec.build_constraints, True, spec))


def index_options(spec: Venv) -> IndexOptions:
    """Return where the distributions of a venv come from."""
    return IndexOptions(
        index_url=spec.index_url,
        extra_index_url=spec.extra_index_url,
        netrc=spec.netrc,
        find_links=spec.find_links,
        no_index=spec.no_index,
        exclude_newer=spec.exclude_newer,
    )


def _local_names(lines: Iterable[Line]) -> frozenset[str] | None:
    """Return the names of local projects. None if only a build can tell the name of one."""
    requirements = [line.requirement() for line in lines if line.local()]
    names = [one.name for one in requirements if one is not None]
    return frozenset(names) if len(names) == len(requirements) else None


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
        found = netrc(require_netrc(path)).authenticators(host.hostname or "") if path else None
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


def _texts(lines: Iterable[Line]) -> tuple[str, ...]:
    return tuple(line.text for line in lines)
