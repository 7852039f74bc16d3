"""Options that several commands share, and the settings that follow from them."""

from __future__ import annotations

import os

from engine.errors import UsageError
from engine.settings import Settings
from engine.system.linux import cpu_count
from engine.system.paths import cache_and_state_dirs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import TextIO

    from engine.resource import Resource

FILE_HELP = (
    "TOML file, directory (every *.toml in it), or - for standard input "
    "(default: converge.toml or converge.d)"
)
DEFAULT_LOCK_TIMEOUT_S = 60.0
UPGRADE_HINT = "`--upgrade` takes no value; use `--upgrade-package"
"""The beginning of a hint, before the name."""
RUN_EXIT_CODES = (
    ("0", "success, with or without changes"),
    ("1", "a resource failed, or several failed for different reasons"),
    ("2", "with --detailed-exitcode: changes (4: failures, 6: both)"),
    ("64", "invalid arguments"),
    ("65", "invalid declaration; nothing was changed"),
    ("66", "no such file"),
    ("69", "index or network unreachable"),
    ("70", "bug in converge"),
    ("73", "disk full"),
    ("74", "I/O error, or system limit reached"),
    ("75", "lock held by another run until the timeout"),
    ("77", "no permission, or unsafe ownership"),
    ("80", "saved plan out of date"),
    ("81", "content doesn't match its hash"),
    ("130", "interrupted by SIGINT (143: by SIGTERM)"),
)
"""Exit codes of `plan` and `apply`, for their help."""


def add_files_argument(parser: ArgumentParser) -> None:
    """Add `FILE...` and `--only`."""
    parser.add_argument("files", nargs="*", metavar="FILE", help=FILE_HELP)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="Limit the run to this resource and its dependencies. Repeatable. Accepts * and ?",
    )
    add_allow_empty_option(parser)


def add_allow_empty_option(parser: ArgumentParser) -> None:
    """Add `--allow-empty`."""
    parser.add_argument(
        "--allow-empty", action="store_true", help="Accept a file that declares nothing"
    )


def add_output_options(parser: ArgumentParser) -> None:
    """Add the options that control the output."""
    parser.add_argument(
        "--json", action="store_true", help="Print one JSON document to standard output"
    )
    parser.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        help="Print nothing unless something fails, or a plan has changes",
    )
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="Show all changes, each step, and the messages of tools",
    )
    parser.add_argument(
        "--progress",
        choices=("auto", "plain", "json"),
        default="auto",
        help="Form of the progress on standard error: a live display, lines of text, or lines of "
        "JSON (default: auto, live only on a terminal)",
    )
    add_color_option(parser)


def add_color_option(parser: ArgumentParser) -> None:
    """Add `--color`."""
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="Whether to use color (default: auto, only on a terminal)",
    )


def add_jobs_option(parser: ArgumentParser, items: str) -> None:
    """Add `--jobs`, the number of `items` to process in parallel."""
    parser.add_argument(
        "-j",
        "--jobs",
        type=positive,
        default=cpu_count(),
        metavar="N",
        help=f"Maximum number of {items} to process in parallel (default: number of CPUs)",
    )


def add_run_arguments(parser: ArgumentParser) -> None:
    """Add the arguments that `plan` and `apply` have in common."""
    add_files_argument(parser)
    add_jobs_option(parser, "resources")
    add_upgrade_options(parser)
    parser.add_argument(
        "--prune",
        action="store_true",
        help="Delete resources that were removed from the files (not with --only or -)",
    )
    parser.add_argument(
        "--detailed-exitcode",
        action="store_true",
        help="Exit with 2 for changes, 4 for failures, 6 for both",
    )
    add_output_options(parser)


def add_upgrade_options(parser: ArgumentParser) -> None:
    """Add `--upgrade` and `--upgrade-package`."""
    parser.add_argument(
        "--upgrade",
        action="store_true",
        help="Upgrade all packages to the newest versions that the declaration allows",
    )
    parser.add_argument(
        "--upgrade-package",
        action="append",
        default=[],
        type=_package_name,
        metavar="NAME",
        help="Upgrade only this package. Repeatable",
    )


def valueless_option_error(option: str, value: str) -> UsageError:
    """Return the error for a value that was passed to an option without one."""
    intended = f"--upgrade-package {value}" if option == "--upgrade" else option
    return UsageError(f"`{option}` takes no value: `{value}`", hint=f"use `{intended}`")


def upgrade_arguments(arguments: Namespace) -> list[str]:
    """Return the options for an upgrade as they were passed."""
    names = [f"--upgrade-package={name}" for name in arguments.upgrade_package]
    return ["--upgrade", *names] if arguments.upgrade else names


def add_document_options(parser: ArgumentParser) -> None:
    """Add the output options of a command that shows no progress and hides nothing."""
    parser.add_argument("--json", action="store_true", help="Print one JSON document")
    add_color_option(parser)


def add_lock_timeout_option(parser: ArgumentParser) -> None:
    """Add `--lock-timeout`."""
    parser.add_argument(
        "--lock-timeout",
        type=_seconds,
        default=DEFAULT_LOCK_TIMEOUT_S,
        metavar="SECONDS",
        help="Maximum wait for the lock of another run (default: 60 seconds)",
    )


def build_settings(arguments: Namespace) -> Settings:
    """Return the settings that follow from the arguments and the environment.

    Raises:
        UsageError, PermissionDenied: As for `cache_and_state_dirs`.

    """
    cache, state = cache_and_state_dirs()
    upgrade = None
    if getattr(arguments, "upgrade", False):
        upgrade = frozenset[str]()
    elif getattr(arguments, "upgrade_package", None):
        upgrade = frozenset(arguments.upgrade_package)
    return Settings(cache=cache, state=state, upgrade=upgrade)


def select_resources(order: tuple[Resource, ...], patterns: list[str]) -> tuple[Resource, ...]:
    """Return the resources that match `--only`, with their dependencies.

    Args:
        order: All resources, in topological order.
        patterns: Addresses, with shell wildcards. An empty list selects all resources.

    Raises:
        UsageError: A pattern matches no resource.

    """
    if not patterns:
        return order
    # Imported here: a run without `--only` doesn't need them.
    from engine.cli.addresses import find_addresses
    from engine.declaration.graph import with_dependencies

    return with_dependencies(order, find_addresses(order, patterns, "--only "))


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


def output_width(stream: TextIO) -> int | None:
    """Return the number of characters in a line of a terminal, or `None` without one."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def positive(text: str) -> int:
    """Convert an argument to a whole number above 0.

    Raises:
        ArgumentTypeError: It isn't one.

    """
    if not text.isdecimal() or int(text) < 1:
        raise _invalid(f"not a whole number above 0: `{text}`")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not seconds >= 0:
        raise _invalid(f"not a number of seconds: `{text}`")
    return seconds


def _package_name(text: str) -> str:
    import re

    # An empty name is usually an unset variable of a script.
    if not re.fullmatch(r"[\w.-]+", text):
        raise _invalid(f"invalid name: `{text}`")
    return text


def _invalid(message: str) -> Exception:
    """Return the exception that argparse turns into a usage error."""
    from argparse import ArgumentTypeError

    return ArgumentTypeError(message)
