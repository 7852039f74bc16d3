"""Which venvs a verb is about: those of a declaration, or some of them by name."""

from __future__ import annotations

from engine.cli import options
from engine.declaration.load import load_declaration, read_sources
from engine.errors import UsageError
from engine.system import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from engine.cli.command import BuildRegistry
    from engine.resource import Resource


def one_venv(parser: ArgumentParser) -> None:
    """Which declaration, and which venv of it."""
    parser.add_argument("files", nargs=1, metavar="FILE", help="TOML file, folder, or -")
    parser.add_argument("name", metavar="NAME", help="which venv, as in web or venv.web")


def venvs(arguments: Namespace, compose: BuildRegistry) -> list[Resource]:
    """Return the venvs that the arguments are about, in the order of the declaration.

    From then on signals are listened for.
    """
    where = options.build_settings(arguments)
    registry = compose(where)
    order = load_declaration(read_sources(arguments.files, registry), registry, where.cache)
    signals.install_handlers()  # not before: whoever waits for its input can just be ended
    return present(options.select_resources(order, getattr(arguments, "only", [])))


def named(arguments: Namespace, compose: BuildRegistry) -> Resource:
    """Return the one venv that the argument `name` names, with or without its kind."""
    return chosen(venvs(arguments, compose), arguments.name)


def chosen(order: Sequence[Resource], name: str) -> Resource:
    """Return the venv of this name, with or without its kind; raises `UsageError`."""
    found = present(order)
    for one in found:
        if name in (one.name, one.address):
            return one
    from engine.declaration.validate import suggest

    names = [one.name for one in found]
    raise UsageError(
        f"`{name}` is no declared venv",
        hint=suggest(name, names) or f"declared are {', '.join(names) or 'none'}",
    )


def present(order: Sequence[Resource]) -> list[Resource]:
    """Return those resources that are venvs, and are to be there."""
    return [one for one in order if one.kind == "venv" and one.spec.state == "present"]


def one_of(beginning: str, names: Sequence[str], *, told: str, hint: str) -> str:
    """Return the one generation, or adopted folder, whose name begins so; raises `UsageError`."""
    # An empty one is the variable of a script that nobody set.
    matching = [one for one in names if beginning and one.startswith(beginning)]
    if len(matching) == 1:
        return matching[0]
    raise UsageError(
        f"`{told}` names {'no' if not matching else 'more than one'} generation", hint=hint
    )
