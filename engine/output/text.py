"""Reports and errors as text for people. Signs carry the meaning, colour only helps."""

from __future__ import annotations

from engine.redaction import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.errors import ConvergeError
    from engine.output.report_schema import ChangeReport, Report, ResourceReport

_SIGNS = {"create": "+", "update": "~", "replace": "±", "repair": "!", "delete": "-", "none": " "}
_COLOURS = {"+": "32", "~": "33", "±": "35", "!": "31", "-": "31", "error": "1;31", "dim": "2"}
_MOST = 40
"""So many changes of one resource are shown unless all are asked for."""
_INNER = {"artifacts", "settings", "succeeded", "target"}
"""Attributes that mean nothing to people, unless all are asked for."""


class Paint:
    """Wraps words in colour, or leaves them as they are."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, colour: str, words: str) -> str:
        """Return the words in a colour named by what they say."""
        code = _COLOURS.get(colour)
        return f"\x1b[{code}m{words}\x1b[0m" if self.on and code else words


def format_report(document: Report, paint: Paint, *, everything: bool = False) -> str:
    """Return a report as text: what differs, then notes, then one summary line."""
    shown = [one for one in document["resources"] if everything or one["outcome"] != "unchanged"]
    blocks = [_resource(one, paint, everything) for one in shown]
    blocks += [f"note: {printable(notice)}\n" for notice in document["notices"]]
    if blocks:
        blocks.append("\n")
    title = document["command"].capitalize()
    blocks.append(f"{title}: {document['comment']}.")
    if document["command"] == "plan" and document["changed"]:
        blocks.append(paint("dim", f"  digest {document['digest']}"))
    return "".join([*blocks, "\n"])


def format_error(error: ConvergeError, paint: Paint) -> str:
    """Return one error as text: message, the tool's last lines, hint."""
    lines = [f"{paint('error', 'error')}: {printable(error.message)}"]
    lines += [f"    {printable(line)}" for line in error.output.splitlines()]
    if error.hint:
        lines.append(f"  hint: {printable(error.hint)}")
    return "".join(f"{line}\n" for line in lines)


def printable(words: str) -> str:
    """Return text on one line without a password, that cannot change the terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in redact(words))


def _resource(one: ResourceReport, paint: Paint, everything: bool) -> str:
    sign = {"failed": "✗", "skipped": "·"}.get(one["outcome"], _SIGNS[one["action"]])
    done = one["outcome"] not in ("failed", "skipped", "unchanged")
    head = f"{sign} {one['address']}  {one['action'] if done else one['outcome']}"
    if one["path"]:
        head += f"  {one['path']}"
    lines = [paint(sign, printable(head))]
    error = one["error"]
    if error:
        lines.append(f"    {paint('error', 'error')}: {printable(error['message'])}")
        lines += [f"      {printable(row)}" for row in error["output"].splitlines()]
        if error["hint"]:
            lines.append(f"    hint: {printable(error['hint'])}")
    elif one["reason"]:
        lines.append(f"    {paint('dim', 'because ' + printable(one['reason']))}")
    lines += _changes(one, paint, everything)
    return "".join(f"{line}\n" for line in lines)


def _changes(one: ResourceReport, paint: Paint, everything: bool) -> list[str]:
    """Show packages last, only so many of each group, and nothing that says nothing."""
    changes = one["changes"]
    if not everything:
        # What becomes the path stands above.
        told = {one["path"], None, ""}
        changes = [
            c for c in changes
            if c["attribute"] not in _INNER and (c["before"] or c["after"] not in told)
        ]  # fmt: skip
    packages = [c for c in changes if c["attribute"].startswith("package.")]
    others = [c for c in changes if not c["attribute"].startswith("package.")]
    lines = []
    for group in (others, packages):
        shown = group if everything else group[:_MOST]
        lines += [_change(_as_happened(change, one), one["reason"], paint) for change in shown]
        if len(group) > len(shown):
            lines.append(f"    … and {len(group) - len(shown)} more (`--verbose` shows all)")
    return lines


def _as_happened(change: ChangeReport, one: ResourceReport) -> ChangeReport:
    """Fill in what a plan could not know, such as the name of something new."""
    if one["outcome"] != "changed" or one["observed"] is None or change["after"] is None:
        return change
    return {**change, "after": one["observed"].get(change["attribute"], change["after"])}


def _change(one: ChangeReport, told: str, paint: Paint) -> str:
    """Show one change; its reason unless that is the whole reason and was told above."""
    name = one["attribute"].removeprefix("package.").removeprefix("file.")
    before, after = one["before"], one["after"]
    if before is None:
        sign, words = "+", f"{name} {after}"
    elif after is None:
        sign, words = "-", f"{name} {before}"
    else:
        sign, words = "~", f"{name} {before} → {after}"
    why = one["reason"] if one["reason"] != told else ""
    reason = paint("dim", f"  ({printable(why)})") if why else ""
    return f"    {paint(sign, sign + ' ' + printable(words))}{reason}"
