"""Select the venvs and generations that the arguments of a command name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.cli import options
from engine.declaration.load import load_declaration, read_sources
from engine.errors import UsageError
from engine.system import signals

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from engine.cli.command import BuildRegistry
    from engine.registry import KindRegistry
    from engine.resource import Resource


def add_venv_arguments(parser: ArgumentParser) -> None:
    """Add the arguments FILE and NAME, which select one venv."""
    parser.add_argument("files", nargs="?", metavar="FILE", help=options.FILE_HELP)
    options.add_allow_empty_option(parser)
    parser.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="Venv to act on, such as web or venv.web (default: the only declared venv)",
    )


def select_venvs(arguments: Namespace, build_registry: BuildRegistry) -> list[Resource]:
    """Load the declaration, and return the venvs that `--only` selects, in dependency order.

    Raises:
        UsageError, DeclarationError, NoInput: As for `load_resources`.

    """
    return present_venvs(load_resources(arguments, build_registry)[1])


def load_resources(
    arguments: Namespace, build_registry: BuildRegistry
) -> tuple[KindRegistry, tuple[Resource, ...]]:
    """Load the declaration, and return the kinds, and the resources that `--only` selects.

    From here on, a signal is a request to stop.

    Raises:
        UsageError: A pattern of `--only` matches no resource.
        DeclarationError: The declaration is invalid.
        NoInput: A file doesn't exist.

    """
    settings = options.build_settings(arguments)
    registry = build_registry(settings)
    sources = read_sources(arguments.files, registry)
    resources = load_declaration(
        sources, registry, settings.cache, allow_empty=arguments.allow_empty
    )
    # Not earlier: a signal must end a process that waits for its standard input.
    signals.install_handlers()
    return registry, options.select_resources(resources, getattr(arguments, "only", []))


def select_venv(arguments: Namespace, build_registry: BuildRegistry) -> Resource:
    """Load the declaration, and return the venv that the argument NAME selects.

    Raises:
        UsageError: No venv has that name.
        DeclarationError: The declaration is invalid.
        NoInput: A file doesn't exist.

    """
    return find_venv(select_venvs(arguments, build_registry), arguments.name)


def find_venv(resources: Sequence[Resource], name: str | None, choice: str = "") -> Resource:
    """Return the venv with this name or address. Without a name, return the only venv.

    Args:
        resources: The declared resources.
        name: The name or address.
        choice: Another way to select venvs, for the hint if the name is missing.

    Returns:
        The venv.

    Raises:
        UsageError: No venv has that name, or it is declared absent.

    """
    venvs = present_venvs(resources)
    for venv in venvs:
        if name in (venv.name, venv.address):
            return venv
    names = [venv.name for venv in venvs]
    if name is None:
        if len(venvs) == 1:
            return venvs[0]
        raise UsageError(
            "missing argument: NAME",
            hint=f"declared venvs: {', '.join(names) or 'none'}{choice if names else ''}",
        )
    from engine.declaration.validate import suggest

    raise UsageError(
        f"no declared venv has this name: `{name}`",
        hint=suggest(name, names) or f"declared venvs: {', '.join(names) or 'none'}",
    )


def find_venvs(venvs: Sequence[Resource], names: Sequence[str], choice: str) -> list[Resource]:
    """Return the venvs with these names or addresses, once each. Without names, the only venv.

    Args:
        venvs: The declared venvs.
        names: The names or addresses.
        choice: As for `find_venv`.

    Returns:
        The venvs.

    Raises:
        UsageError: As for `find_venv`.

    """
    selected = [find_venv(venvs, name) for name in names] or [find_venv(venvs, None, choice)]
    return [venv for venv in venvs if venv in selected]


def present_venvs(resources: Sequence[Resource]) -> list[Resource]:
    """Return the venvs among the resources, without those declared absent."""
    return [
        resource
        for resource in resources
        if resource.kind == "venv" and resource.spec.state == "present"
    ]


def match_prefix(prefix: str, names: Sequence[str], *, hint: str) -> str:
    """Expand a prefix to the only name that begins with it.

    Args:
        prefix: The argument of the user. An empty one matches nothing: in a script, it comes
            from a variable that isn't set.
        names: IDs of generations, and names of adopted backups.
        hint: The hint of the error if nothing matches.

    Returns:
        The name.

    Raises:
        UsageError: No name matches, or several do.

    """
    matches = [name for name in names if prefix and name.startswith(prefix)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(
            f"ambiguous generation ID: `{prefix}`",
            hint=f"use a longer prefix; it matches {', '.join(matches)}",
        )
    raise UsageError(f"no generation ID begins with `{prefix}`", hint=hint)
