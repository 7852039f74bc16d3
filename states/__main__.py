"""The composition root: hands the kinds and the commands to the engine."""

from __future__ import annotations

import gc
import os
import re
import sys

from engine.cli import commands as engine_commands
from engine.cli.main import main as run_command
from engine.declaration.inputs import file_digest
from engine.registry import KindRegistry, Kinds, is_toml
from states import commands as states_commands
from states.venv.run.shared import PathUses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from engine.cli.command import CommandTable
    from engine.kind import AnyKind
    from engine.resource import Resource
    from engine.result import Result
    from engine.settings import Settings

COMMANDS: CommandTable = {**engine_commands.COMMANDS, **states_commands.COMMANDS}
_LOCKFILE = re.compile(r"(.+\.)?pylock\.([^.]+\.)?toml", re.DOTALL)
"""Names of lockfiles (PEP 751), with and without a prefix."""


def build_registry(settings: Settings) -> KindRegistry:
    """Create the kinds for one run."""

    def notices(results: Sequence[Result]) -> Iterable[str]:
        if not settings.upgrade:
            return ()
        # Imported here: only a run with `--upgrade-package` needs it.
        from states.venv.resolve.upgrades import reported_packages, unknown_upgrades

        return unknown_upgrades(settings.upgrade, reported_packages(results))

    return KindRegistry(
        kinds=_kinds(settings),
        defaults_kind="venv",
        digest_functions={
            "source-tree": _source_tree_digest,
            "local-file": _local_file_digest,
            "declared-file": _declared_file_digest,
        },
        is_declaration=_is_declaration,
        notices=notices,
        undo=_undo,
        recognize=_recognize,
    )


def _kinds(settings: Settings) -> Kinds:
    """Return the kinds. Each module is imported only for a declaration with that kind."""
    uses = PathUses()

    def interpreter() -> AnyKind:
        from states.interpreter.kind import InterpreterKind

        return InterpreterKind(settings)

    def venv() -> AnyKind:
        from states.venv.kind import VenvKind

        return VenvKind(settings, uses)

    def wheelhouse() -> AnyKind:
        from states.wheelhouse.kind import WheelhouseKind

        return WheelhouseKind(settings)

    def link() -> AnyKind:
        from states.link.kind import LinkKind

        return LinkKind(uses)

    def command() -> AnyKind:
        from states.command import CommandKind

        return CommandKind(settings, uses)

    def global_() -> AnyKind:
        from states.global_installs.kind import GlobalKind

        return GlobalKind()

    return Kinds(
        {
            "interpreter": interpreter,
            "venv": venv,
            "wheelhouse": wheelhouse,
            "link": link,
            "command": command,
            "global": global_,
        }
    )


def _undo(declared: Sequence[Resource], reports: Sequence[Mapping[str, Any]]) -> Sequence[str]:
    # Imported here: a no-op run has nothing to undo.
    from states.venv.rollback.undo import undo_command

    return undo_command(declared, reports)


def _recognize(content: str, document: Mapping[str, Any]) -> tuple[str, str] | None:
    # Imported here: a run with a cached declaration parses none.
    from states.other_formats import recognize

    return recognize(content, document)


def _source_tree_digest(path: str) -> str:
    # Imported here: a declaration without local projects doesn't need it.
    from states.venv.sources.tree import tree_digest

    return tree_digest(path)


def _local_file_digest(path: str) -> str:
    """Return the digest of a wheel or archive. The receipt records that of a project."""
    return "directory" if os.path.isdir(path) else file_digest(path)


def _declared_file_digest(path: str) -> str:
    # Imported here: most venvs have no declared files.
    from states.venv.files.source import digest_source

    return digest_source(path)


def _is_declaration(name: str) -> bool:
    return is_toml(name) and not _LOCKFILE.fullmatch(name)


def _restart_in_utf8() -> None:
    """Restart the interpreter in UTF-8 mode if the locale decodes file names differently.

    Each path then has one spelling. Standard streams keep the encoding of the locale.
    """
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8":
        os.environ.setdefault("PYTHONIOENCODING", encoding)
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def main() -> int:
    """Run the command line."""
    _restart_in_utf8()
    if sys.argv[1:2] == ["__complete"]:
        # Imported here: only a shell asks for candidates.
        from states.completion import print_candidates

        return print_candidates(sys.argv[2:])
    # By default, the collector traverses all imported objects again and again, also at exit. That
    # takes a tenth of the time of a small apply.
    gc.freeze()
    gc.set_threshold(100_000)
    return run_command(build_registry, COMMANDS)


if __name__ == "__main__":
    sys.exit(main())
