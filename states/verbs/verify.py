"""`converge verify`: every byte against the seal, and the seal against the wheels' RECORDs."""

from __future__ import annotations

import sys

from engine import options
from engine.report import to_json
from engine.verb import Verb
from states.venv import verified
from states.venv.store import current, generations, store_of
from states.venv.verifying import verify
from states.verbs.selection import venvs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from engine.verb import Compose
    from states.venv.store import Store


def _options(parser: ArgumentParser) -> None:
    options.files(parser)
    options.output(parser)
    parser.add_argument("--all", action="store_true", help="former generations too")
    options.side_by_side(parser, "files")


def _verify(arguments: Namespace, compose: Compose) -> int:
    where = options.settings(arguments)
    reports = []
    for one in venvs(arguments, compose):
        store = store_of(one.spec.path)
        for report in verify(one, store, arguments.jobs, every=arguments.all):
            reports.append(report)
            if not report["damage"] and not report["error"]:
                verified.note(where.state, store.generation(str(report["generation"])))
        error = _not_live(store)
        if error:
            reports.append(
                {
                    "address": one.address,
                    "path": one.spec.path,
                    "generation": None,
                    "files": 0,
                    "damage": [],
                    "error": error,
                }
            )
    failed = any(report["error"] for report in reports)
    damaged = any(report["damage"] for report in reports)
    code = 1 if failed else 2 if damaged else 0
    if arguments.json:
        sys.stdout.write(to_json({"generations": reports, "exit": {"code": code}}))
        return code
    for report in reports:
        name = f"{report['address']} {report['generation'] or ''}".rstrip()
        if report["error"]:
            sys.stdout.write(f"✗ {name}: {report['error']}\n")
        elif report["damage"]:
            sys.stdout.write(f"! {name}: {len(report['damage'])} of {report['files']} differ\n")
            for item in report["damage"]:
                sys.stdout.write(f"  {item['aspects']}  {item['path']}\n")
        else:
            sys.stdout.write(f"  {name}: {report['files']} files as sealed\n")
    return code


def _not_live(store: Store) -> str:
    """Say why there is no live generation to verify; empty if there is one."""
    made = generations(store)
    if not made:
        return "there is nothing to verify: it was not made yet"
    if current(store) not in made:
        return f"`{store.published}` does not lead to a generation: `converge plan` says more"
    return ""


VERB = Verb(
    "verify", "hash every file against its seal: 0 whole, 2 damage, 1 error", _options, _verify
)
