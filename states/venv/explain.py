"""Why an attribute of a venv is to change, in a few words."""

from __future__ import annotations

from states.venv.observe import FOREIGN, PUBLISHED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.diff import Change
    from states.venv.observe import Observation
    from states.venv.resolve.selection import Selection
    from states.venv.spec import Venv


def explain(spec: Venv, change: Change, view: Observation | None, chosen: Selection | None) -> str:
    """Explain one change."""
    name = change.attribute
    if view is None or view.state is None or spec.state == "absent":
        return ""
    if view.receipt is None and name not in ("path",) and not name.startswith("unfinished."):
        return ""
    if name.startswith("package."):
        return _package(name.removeprefix("package."), change, view)
    if name.startswith("file."):
        return "nobody asked for it" if change.before == "unexpected" else "not as sealed"
    if name.startswith("unfinished."):
        return "an interrupted run left it"
    return {
        "path": _path(change, view),
        "relocated": "its scripts carry the path that it was made at",
        "python": _python(change, view),
        "settings": "the declaration changed",
        "artifacts": _artifacts(view, chosen),
        "system-site-packages": "the declaration changed",
        "owner": "the declaration changed",
        "group": "the declaration changed",
        "mode": "the declaration changed",
    }.get(name, "")


def _path(change: Change, view: Observation) -> str:
    if change.before == PUBLISHED:
        return "its receipt is torn or missing"
    if change.before != FOREIGN:
        return "the path does not lead to it"
    return f"the symlink to {view.link} is replaced" if view.link else "what is there is put aside"


def _package(name: str, change: Change, view: Observation) -> str:
    installed = view.receipt is not None and any(one.name == name for one in view.receipt.packages)
    sealed = (
        next((one.identity() for one in view.receipt.packages if one.name == name), None)
        if view.receipt
        else None
    )
    if change.before is None:
        return "it is gone" if installed else "newly required"
    if change.after is None:
        return "nothing requires it any more" if installed else "not asked for"
    if sealed != change.before:
        return "somebody else installed that"
    return "another version was chosen"


def _artifacts(view: Observation, chosen: Selection | None) -> str:
    """Speak up only where no package's own change says it already."""
    if view.receipt is None or chosen is None:
        return ""
    have = {one.name: one.identity() for one in view.receipt.packages}
    want = {one.name: one.identity() for one in chosen.packages}
    return "other content is locked for the same versions" if have == want else ""


def _python(change: Change, view: Observation) -> str:
    python = view.receipt.python if view.receipt else None
    if python and change.before == python.attribute("missing"):
        return "its interpreter is gone"
    if python and change.before == python.attribute("changed"):
        return "its interpreter was replaced"
    return "another interpreter is asked for"
