"""Options that several verbs share, and what follows from them."""

from __future__ import annotations

import fnmatch
import os
import re

from engine.errors import UsageError
from engine.settings import Settings, cpu_count
from engine.system.paths import cache_and_state_dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable
    from typing import TextIO

    from engine.resource import Resource


EVERYTHING = "\0"
"""What a bare `--upgrade` asks for; no word of a command line has that character."""


def add_files_argument(parser: ArgumentParser) -> None:
    """Which declaration, and which part of it."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="TOML file, folder, or -")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="only this resource and what it needs; may be repeated, may hold * and ?",
    )


def add_output_options(parser: ArgumentParser) -> None:
    """How to tell."""
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    parser.add_argument("--verbose", action="store_true", help="all changes, and the tools' words")
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="auto: on a terminal"
    )


def add_jobs_option(parser: ArgumentParser, what: str) -> None:
    """How many at a time."""
    parser.add_argument(
        "--jobs",
        type=positive,
        default=cpu_count(),
        metavar="N",
        help=f"{what} side by side (as many as processors)",
    )


def add_run_options(parser: ArgumentParser) -> None:
    """How to run the loop."""
    add_jobs_option(parser, "resources")
    add_upgrade_options(parser)
    parser.add_argument(
        "--prune",
        action="store_true",
        help="remove what the files no longer declare; not with --only, nor with -",
    )
    parser.add_argument(
        "--detailed-exitcode", action="store_true", help="2 changes, 4 failures, 6 both"
    )


def add_upgrade_options(parser: ArgumentParser) -> None:
    """Which remembered choices to forget."""
    parser.add_argument(
        "--upgrade",
        action="append",
        metavar="NAME,…",
        help="choose versions anew, of all or of these: --upgrade or --upgrade=NAME,NAME",
    )


def add_lock_timeout_option(parser: ArgumentParser) -> None:
    """How long to wait for another engine."""
    parser.add_argument(
        "--lock-timeout", type=_seconds, default=60.0, metavar="S", help="seconds to wait (60)"
    )


def build_settings(arguments: Namespace) -> Settings:
    """Return the settings that these arguments and the surroundings amount to."""
    cache, state = cache_and_state_dirs()
    asked = getattr(arguments, "upgrade", None)
    return Settings(cache=cache, state=state, upgrade=None if asked is None else _names(asked))


def _names(asked: list[str]) -> frozenset[str]:
    """Return the names to upgrade; none of them for all."""
    if EVERYTHING in asked:
        return frozenset()
    named = [name for one in asked for name in one.rstrip(",").split(",")]
    for name in named:
        # An empty one is the variable of a script that nobody set.
        if not re.fullmatch(r"[\w.-]+", name):
            raise UsageError(f"`--upgrade={name}` names nothing", hint="as in --upgrade=NAME,NAME")
    return frozenset(named)


def unknown_upgrades(upgrade: frozenset[str] | None, known: Iterable[str]) -> list[str]:
    """Return a note on each name to upgrade that is none of those which are known."""
    plain = {_plain(name) for name in known}
    return [
        f"`--upgrade={name}`: no package of that name is, was or will be there"
        for name in sorted(upgrade or ())
        if _plain(name) not in plain
    ]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def select_resources(order: tuple[Resource, ...], patterns: list[str]) -> tuple[Resource, ...]:
    """Return the resources that the patterns name and all that those need."""
    if not patterns:
        return order
    from engine.declaration.graph import with_dependencies

    addresses = [one.address for one in order]
    declared = ", ".join(addresses) or "none"
    chosen: set[str] = set()
    for pattern in patterns:
        matching = [one for one in addresses if one == pattern or fnmatch.fnmatchcase(one, pattern)]
        if not matching:
            from engine.declaration.validate import suggest

            raise UsageError(
                f"`--only {pattern}` names nothing that is declared",
                hint=suggest(pattern, addresses) or f"declared are {declared}",
            )
        chosen.update(matching)
    return with_dependencies(order, chosen)


def use_color(choice: str, stream: TextIO) -> bool:
    """Decide on color: `--color`, then NO_COLOR, then FORCE_COLOR, then a terminal.

    Args:
        choice: The value of `--color`.
        stream: The stream to write to.

    """
    if choice in ("always", "never"):
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def positive(text: str) -> int:
    """Read a number of things, of which there is one at least."""
    from argparse import ArgumentTypeError

    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"must be a whole number above 0, found `{text}`")
    return int(text)


def _seconds(text: str) -> float:
    from argparse import ArgumentTypeError

    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not seconds >= 0:
        raise ArgumentTypeError(f"must be a number of seconds, found `{text}`")
    return seconds
