"""The options in a line of a requirement file, by the grammar of pip.

pip splits a line at the first word that begins with `-`, splits the rest as a shell does, and
parses it with optparse (`pip._internal.req.req_file`). So a line may contain several options,
an option may be abbreviated, and `-iURL` is `--index-url URL`. pip ignores an option that has no
effect in its line. converge rejects it, because it may name the index to install from.
"""

from __future__ import annotations

import re
import shlex
from optparse import OptionParser
from typing import TYPE_CHECKING

from states.venv.integrity.dist_info import normalize_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from optparse import Option
    from typing import NoReturn

_WITH_VALUE = (
    ("-i", "--index-url", "--pypi-url"), ("--extra-index-url",), ("-f", "--find-links"),
    ("-r", "--requirement"), ("-c", "--constraint"), ("-e", "--editable"),
    ("--no-binary",), ("--only-binary",), ("--trusted-host",), ("--use-feature",),
    ("--all-releases",), ("--only-final",), ("--hash",),
    ("-C", "--config-settings", "--config-setting"), ("--global-option",),
)  # fmt: skip
_WITHOUT_VALUE = ("--no-index", "--pre", "--prefer-binary", "--require-hashes",
                  "--no-require-hashes")  # fmt: skip
INCLUDES = ("--requirement", "--constraint")
"""Options that name another file. Each is alone in its line."""
SOURCE_OPTIONS = ("--index-url", "--extra-index-url", "--no-index", "--find-links",
                  "--trusted-host")  # fmt: skip
"""Options that decide where distributions come from."""
LINE_OPTIONS = (*SOURCE_OPTIONS, "--no-binary", "--only-binary", "--pre", "--require-hashes",
                "--prefer-binary", "--use-feature")  # fmt: skip
"""Options that a line may consist of. The last two have no effect."""
SETTINGS_OPTION = "--config-settings"
"""Settings for the build of one package. The installer gets them in another way."""
REQUIREMENT_OPTIONS = ("--hash", SETTINGS_OPTION)
"""Options that may follow a requirement."""
_BINARY_OPTIONS = ("--no-binary", "--only-binary")
_PROJECT = re.compile(r"[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?", re.ASCII)
_SETTING = re.compile(r"[^=]*\S[^=]*=")
_HOST = re.compile(r"[^\s/@]+")
_INDEX = re.compile(r"(https?|file)://[^\s]+", re.IGNORECASE)


def split_options(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Split a logical line into its requirement and its options.

    Args:
        text: The line without comments and continuations.

    Returns:
        The requirement, which is empty in a line of options, and each option with its value. The
        name of an option is its long form.

    Raises:
        ValueError: pip can't parse the options either, or it would ignore a part of the line.
            The message is a complete summary.

    """
    parts = text.split(" ")
    count = next((i for i, part in enumerate(parts) if part.startswith("-")), len(parts))
    requirement, rest = " ".join(parts[:count]).strip(), " ".join(parts[count:])
    if not rest:
        return requirement, ()
    parser = _Parser(add_help_option=False)
    try:
        arguments = shlex.split(rest)
    except ValueError as error:
        message = str(error)
        raise ValueError(f"invalid quotes in options: {message[:1].lower()}{message[1:]}") from None
    _, ignored = parser.parse_args(arguments)
    if ignored:
        raise ValueError(f"unexpected `{ignored[0]}` after an option")
    for name, value in parser.collected:
        if value.startswith("="):  # from `-i=URL`: a short option takes no `=`
            raise ValueError(f"invalid value `{value}` of `{name}`")
    return requirement, tuple(parser.collected)


def join_options(requirement: str, options: Iterable[tuple[str, str]]) -> str:
    """Return a line with its options in their long form."""
    parts = [
        f"{name}={value}" if name == "--hash" else f"{name} {value}".rstrip()
        for name, value in options
        if name != SETTINGS_OPTION
    ]
    return " ".join([requirement, *parts] if requirement else parts)


class _Parser(OptionParser):
    """Collects the options of one line in order."""

    def __init__(self, *, add_help_option: bool) -> None:
        super().__init__(add_help_option=add_help_option)
        self.collected: list[tuple[str, str]] = []
        for names in _WITH_VALUE:
            self.add_option(*names, action="callback", type="str", callback=self._collect)
        for name in _WITHOUT_VALUE:
            self.add_option(name, action="callback", callback=self._collect)

    def _collect(self, option: Option, _name: str, value: str | None, _parser: object) -> None:
        # The first long form, as in `_WITH_VALUE`.
        self.collected.append((option.get_opt_string(), value or ""))

    def error(self, msg: str) -> NoReturn:
        """Raise an error instead of exiting.

        Raises:
            ValueError: Always.

        """
        unknown = re.fullmatch(r"no such option: (.*)", msg, re.DOTALL)
        raise ValueError(f"unsupported option `{unknown[1]}`" if unknown else msg)


def option_error(
    requirement: str, options: Sequence[tuple[str, str]], *, constraint: bool
) -> tuple[str, str] | None:
    """Return what is wrong with the options of a line, and a hint. Return None if nothing is.

    Args:
        requirement: The requirement before the options, or empty.
        options: As returned by `split_options`.
        constraint: Whether the line only bounds versions.

    Returns:
        The message and the hint, or None.

    """
    if not requirement and any(name in INCLUDES for name, _ in options):
        if len(options) == 1:
            return None
        return "another option after the name of a file", "write each option on its own line"
    supported = REQUIREMENT_OPTIONS if requirement else LINE_OPTIONS
    for name, value in options:
        if name not in supported or (constraint and name == SETTINGS_OPTION):
            return f"unsupported option `{name}`", _unsupported_hint(name, supported)
        if error := _value_error(name, value):
            return error
    return None


def _unsupported_hint(name: str, supported: Iterable[str]) -> str:
    if name == "--global-option":
        return "remove it, and set `config-settings-package` in the declaration"
    if name == SETTINGS_OPTION:
        return "put it after a requirement, or set `config-settings` in the declaration"
    return f"remove it; supported here: {', '.join(f'`{option}`' for option in supported)}"


def _value_error(name: str, value: str) -> tuple[str, str] | None:
    if name.endswith("index-url") and not _INDEX.fullmatch(value):
        return f"invalid index URL `{value}`", "write `https://…` or `file:///…`"
    if name == "--find-links" and (not value.strip() or value.startswith("~")):
        return f"invalid location `{value}`", "write the full path or the URL"
    if name == SETTINGS_OPTION and not _SETTING.match(value):
        return f"invalid setting `{value}`", "write `--config-settings NAME=VALUE`"
    if name == "--trusted-host" and not _HOST.fullmatch(value):
        return f"invalid host `{value}`", "write `HOST` or `HOST:PORT`"
    if name in _BINARY_OPTIONS:
        for item in filter(None, value.split(",")):
            if item not in (":all:", ":none:") and not _PROJECT.fullmatch(item):
                hint = "write names of packages, `:all:`, or `:none:`, with commas between them"
                return f"invalid package name `{item}` in `{name}`", hint
    return None


def binary_options(options: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return the effect of all `--no-binary` and `--only-binary` options, one name in each.

    A later option wins over an earlier one (`pip._internal.models.format_control`).
    """
    chosen: dict[str, set[str]] = {name: set() for name in _BINARY_OPTIONS}
    for option, value in options:
        if option not in chosen:
            continue
        other = next(name for name in _BINARY_OPTIONS if name != option)
        names = [name for name in value.split(",") if name]
        while ":all:" in names:
            chosen[other].clear()
            chosen[option] = {":all:"}
            names = names[names.index(":all:") + 1 :]
            if ":none:" not in names:
                names = []
        for name in names:
            if name == ":none:":
                chosen[option].clear()
                continue
            chosen[other].discard(normalize_name(name))
            chosen[option].add(normalize_name(name))
    return tuple((option, name) for option in chosen for name in sorted(chosen[option]))
