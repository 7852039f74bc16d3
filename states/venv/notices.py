"""Messages about a venv that require no action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from states.venv.observe import FOREIGN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.venv.integrity.receipt import Receipt
    from states.venv.observe import Observation
    from states.venv.spec import Venv


def held_notice(spec: Venv, observation: Observation) -> str:
    """Return the message about a rollback that is still in effect."""
    held = observation.held
    name = spec.declared.rpartition(" venv.")[2]  # The name may contain dots.
    target = "the adopted backup" if held == FOREIGN else f"generation {held}"
    return (
        f"`{spec.path}` is held at {target} after a rollback. To resume updates, "
        f"change its declaration or run: converge rollback FILE {name} --release"
    )


def older_notice(spec: Venv, older: tuple[str, ...]) -> str:
    """Return the message about versions that this run keeps because they are live."""
    return (
        f"`{spec.path}` keeps versions that a new venv wouldn't get: {', '.join(older)}. "
        "To upgrade them, run with `--upgrade`"
    )


def content_notices(receipt: Receipt) -> Iterator[str]:
    """Yield messages about files that aren't as each package's RECORD lists them."""
    if receipt.tolerated:
        count, path = len(receipt.tolerated), receipt.tolerated[0]
        files = f"`{path}`" if count == 1 else f"{count} files, such as `{path}`"
        yield f"`accept-record-mismatch` applies to {files}"
    for winner, others, count, path in receipt.overlaps:
        files = f"`{path}`" if count == 1 else f"{count} files, such as `{path}`"
        installed = "the one" if count == 1 else "those"
        yield (
            f"{winner} and {others} contain different versions of {files}; "
            f"{installed} of {winner} {'is' if count == 1 else 'are'} installed"
        )
