"""Asking uv for versions: once for the same inputs, and never on a run with nothing to do."""

from __future__ import annotations

import os

from engine import progress
from engine.errors import ConvergeError, IntegrityError, Unavailable
from states import uv
from states.venv.requirements import Line, is_url, overridden, own_pins, read_lines, without
from states.venv.resolution import Resolution, narrowed
from states.workplace import workplace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.settings import Settings
    from states.python import Python
    from states.venv.spec import Venv


def resolve(spec: Venv, python: Python, previous: str | None, settings: Settings) -> Resolution:
    """Choose versions for what the spec asks; `previous` ones stay where they still can."""
    with workplace(settings.cache) as work:
        text = compiled(spec, python, previous, settings, work)
    return narrowed(text, python, "/", spec.local_digests())


def compiled(
    spec: Venv, python: Python, previous: str | None, settings: Settings, work: str
) -> str:
    """Return uv's lock for a spec, with all files that the interpreter could take."""
    progress.step("resolving versions")
    asked, bounds = _lines(spec.requirements, False), _lines(spec.constraints, True)
    asked = [*_own(spec.packages), *asked]
    pins = own_pins(asked) | overridden(spec.overrides)
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
        ("--constraints", _texts(without(bounds, pins))),
        ("--overrides", spec.overrides),
    ):
        if texts:
            arguments += [option, _write(f"{work}/{option.strip('-')}.txt", texts)]
    arguments += build_constraints(spec, work)
    for name in sorted(settings.upgrade or ()):
        arguments += ["--upgrade-package", name]
    arguments += uv.index_arguments(spec)
    try:
        uv.call(arguments, work=work, cache=settings.cache, doing="choosing versions", spec=spec)
    except IntegrityError:
        # That may be what the cache has made of it.
        uv.forget((), work=work, cache=settings.cache)
        uv.call(arguments, work=work, cache=settings.cache, doing="choosing versions", spec=spec)
    with open(output, encoding="utf-8") as stream:
        return stream.read()


def build_constraints(spec: Venv, work: str) -> list[str]:
    """Return the arguments that bound the tools which build from source."""
    if not spec.build_constraints:
        return []
    lines = _lines(spec.build_constraints, True)
    return ["--build-constraints", _write(f"{work}/build.txt", _texts(lines))]


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


def _lines(names: Iterable[str], constraint: bool) -> list[Line]:
    lines: list[Line] = []
    for name in names:
        lines += read_lines(name, _fetch, _missing, constraint=constraint)
    return lines


def _missing(name: str, _by: Line | None) -> None:
    raise ConvergeError(f"no such file: `{name}`; it was there when the declaration was read")


def _fetch(name: str) -> str | None:
    """Read a file, or what is behind a URL: https and the like by the standard library."""
    if not is_url(name) or name.startswith("file://"):
        try:
            with open(name.removeprefix("file://"), encoding="utf-8") as stream:
                return stream.read()
        except FileNotFoundError:
            return None
    from urllib.error import HTTPError
    from urllib.request import urlopen

    progress.step(f"fetching {name}")
    try:
        with urlopen(name, timeout=60) as answer:
            return bytes(answer.read()).decode("utf-8", "replace")
    except HTTPError as error:
        raise Unavailable(f"`{name}` cannot be had: {error.code} {error.reason}") from None
    except (OSError, ValueError) as error:
        raise Unavailable(f"`{name}` cannot be had: {error}", hint="check the network") from None


def _texts(lines: Iterable[Line]) -> list[str]:
    return [line.text for line in lines]


def _write(path: str, texts: Iterable[str]) -> str:
    with open(path, "w", encoding="utf-8") as stream:
        stream.writelines(f"{text}\n" for text in texts)
    return path
