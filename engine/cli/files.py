"""The files that the command line names, with the default and the mistakes that occur."""

from __future__ import annotations

from engine.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

DEFAULTS = ("converge.toml", "converge.d")
"""The file and the directory that are read if none is named, in this order."""


def complete_files(arguments: Namespace) -> None:
    """Add the default file, and distinguish a name from a file.

    Args:
        arguments: The parsed arguments. Nothing happens if the command reads no declaration. If
            `default_file` is false, the command can do without one.

    Raises:
        UsageError: No file is named and there is no default, or an argument isn't a file.

    """
    if "files" not in arguments:
        return
    if not isinstance(arguments.files, list):  # a command with the arguments FILE and NAME
        first = arguments.files
        if first is not None and (_is_address(first, arguments) or not _is_file(first)):
            _require_file_first(first, arguments)
            if _takes_name(arguments):
                _add_name(arguments, first)
                first = None
        arguments.files = [] if first is None else [first]
    if not arguments.files and getattr(arguments, "default_file", True):
        arguments.files = [_default()]
    for name in arguments.files if len(arguments.files) > 1 else ():
        if not _is_file(name):
            raise _not_a_file(name, arguments)


def _require_file_first(name: str, arguments: Namespace) -> None:
    """Refuse a name that precedes its file.

    Raises:
        UsageError: A later argument is the file.

    """
    later = arguments.names if "names" in arguments else [arguments.name]
    for file in later:
        if file is not None and file.endswith((".toml", ".json")):
            raise UsageError(
                f"the file must precede the name: `{name} {file}`", hint=f"use `{file} {name}`"
            )


def _takes_name(arguments: Namespace) -> bool:
    """Return whether the first argument can be a name, and the others a name and an ID."""
    if "names" in arguments or "identifiers" in arguments or arguments.name is None:
        return True
    return getattr(arguments, "identifier", "") is None


def _add_name(arguments: Namespace, name: str) -> None:
    if "names" in arguments:
        arguments.names.insert(0, name)
        return
    if arguments.name is not None:
        if "identifiers" in arguments:
            arguments.identifiers.insert(0, arguments.name)
        else:
            arguments.identifier = arguments.name
    arguments.name = name


def _is_address(name: str, arguments: Namespace) -> bool:
    """Return whether an argument is an address, for a command that takes some.

    The name of a resource may contain slashes, or end in the suffix of a file. An existing file,
    or a path in an existing directory, isn't an address.
    """
    kind, _, rest = name.partition(".")
    if "takes_addresses" not in arguments or not kind.isalpha() or rest in ("", "toml", "json"):
        return False
    from engine.system.existence import exists

    return not exists(name.partition("/")[0])


def _is_file(name: str) -> bool:
    """Return whether an argument is meant as a file.

    A directory without declarations isn't: a resource is often at the path of its name.
    """
    if name == "-" or "/" in name or name.endswith((".toml", ".json")):
        return True
    # Imported here: most calls name a file with its suffix.
    from engine.system.existence import exists, is_directory, listdir_or_empty

    if is_directory(name):
        return any(entry.endswith(".toml") for entry in listdir_or_empty(name))
    return exists(name)


def _default() -> str:
    from engine.system.existence import exists

    for name in DEFAULTS:
        if exists(name):
            return name
    raise UsageError(
        "no file is named, and the current directory has no `converge.toml`",
        hint="name a file, or run `converge init` to write one",
    )


def _not_a_file(name: str, arguments: Namespace) -> UsageError:
    if getattr(arguments, "upgrade", False):
        from engine.cli.options import UPGRADE_HINT

        hint = f"{UPGRADE_HINT} {name}`"
    elif "only" not in arguments:
        hint = "name files, directories, or `-` for standard input"
    else:
        hint = f"to select one resource, use `--only` with its address, such as `--only '*.{name}'`"
    return UsageError(f"not a file: `{name}`", hint=hint)
