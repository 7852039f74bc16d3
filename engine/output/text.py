"""Reports and errors as text for people. Signs carry the meaning, and color only adds to it."""

from __future__ import annotations

from engine.redaction import redact

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.display import Display, Group
    from engine.errors import ConvergeError
    from engine.output.report_schema import ChangeReport, Report, ResourceReport

_SIGNS = {"create": "+", "update": "~", "replace": "±", "repair": "!", "delete": "-", "none": " "}
_COLORS = {"+": "32", "~": "33", "±": "35", "!": "31", "-": "31", "error": "1;31", "dim": "2"}
_MAX_CHANGES = 40
"""Maximum number of changes to show for each group of a resource, without `--verbose`."""


_MAX_OUTPUT = 20
"""Maximum number of lines to show of the output of a command, without `--verbose`."""


class Paint:
    """Colors text with ANSI escape sequences, or returns it unchanged."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, role: str, text: str) -> str:
        """Color text by its role: a sign, `error`, or `dim`."""
        code = _COLORS.get(role)
        return f"\x1b[{code}m{text}\x1b[0m" if self.on and code else text


def format_report(
    report: Report, paint: Paint, displays: Mapping[str, Display], *, verbose: bool = False
) -> str:
    """Return a report as text: changed resources, then notices, then a summary line.

    Args:
        report: The report.
        paint: Colors the text.
        displays: How to show attributes, by kind.
        verbose: Show unchanged resources, hidden attributes, and every change.

    Returns:
        The text, which ends with a newline.

    """
    blocks = [
        _Resource(resource, paint, displays[resource["kind"]], verbose).format()
        for resource in report["resources"]
        if verbose or resource["outcome"] != "unchanged"
    ]
    blocks += [f"note: {printable(notice)}\n" for notice in report["notices"]]
    if blocks:
        blocks.append("\n")
    blocks.append(f"{report['command'].capitalize()}: {report['comment']}.")
    if report["command"] == "plan" and report["changed"]:
        blocks.append(paint("dim", f"  digest {report['digest']}"))
    return "".join([*blocks, "\n"])


def format_error(error: ConvergeError, paint: Paint) -> str:
    """Return an error as text: the message, the last lines of the tool, and the hint."""
    lines = [f"{paint('error', 'error')}: {printable(error.message)}"]
    lines += [f"    {printable(line)}" for line in error.output.splitlines()]
    if error.hint:
        lines.append(f"  hint: {printable(error.hint)}")
    return "".join(f"{line}\n" for line in lines)


def printable(text: str) -> str:
    """Return text on one line, without passwords and without terminal control characters."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in redact(text))


class _Resource:
    """Formats one resource of a report."""

    def __init__(
        self, report: ResourceReport, paint: Paint, display: Display, verbose: bool
    ) -> None:
        self.report = report
        self.paint = paint
        self.display = display
        self.verbose = verbose

    def format(self) -> str:
        """Return the heading, the reason or the error, and the changes."""
        outcome, action = self.report["outcome"], self.report["action"]
        sign = {"failed": "✗", "skipped": "·"}.get(outcome, _SIGNS[action])
        verb = outcome if outcome in ("failed", "skipped", "unchanged") else action
        heading = f"{sign} {self.report['address']}  {verb}"
        if self.report["path"]:
            heading += f"  {self.report['path']}"
        lines = [self.paint(sign, printable(heading)), *self._explanation(), *self._changes()]
        lines += self._output()
        return "".join(f"{line}\n" for line in lines)

    def _explanation(self) -> list[str]:
        error = self.report["error"]
        if error is None:
            reason = self.report["reason"]
            return [f"    {self.paint('dim', 'reason: ' + printable(reason))}"] if reason else []
        lines = [f"    {self.paint('error', 'error')}: {printable(error['message'])}"]
        lines += [f"      {printable(line)}" for line in error["output"].splitlines()]
        if error["hint"]:
            lines.append(f"    hint: {printable(error['hint'])}")
        return lines

    def _output(self) -> list[str]:
        """Return the last lines that a successful command printed, or all with `verbose`."""
        lines = self.report["output"].splitlines()
        shown = lines if self.verbose else lines[-_MAX_OUTPUT:]
        return [f"    {self.paint('dim', '| ')}{printable(line)}" for line in shown]

    def _changes(self) -> list[str]:
        """Return the changes by group, shortened unless `verbose`."""
        members: dict[str, list[ChangeReport]] = {"": []}
        members.update((group.prefix, []) for group in self.display.groups)
        for change in self.report["changes"]:
            if self.verbose or self._is_informative(change):
                members[self.display.group_of(change["attribute"]).prefix].append(change)
        lines = []
        for changes in members.values():
            shown = changes if self.verbose else changes[:_MAX_CHANGES]
            lines += [self._change(change) for change in shown]
            if len(changes) > len(shown):
                hidden = len(changes) - len(shown)
                lines.append(f"    … and {hidden} more (`--verbose` shows all)")
        return lines

    def _is_informative(self, change: ChangeReport) -> bool:
        if change["attribute"] in self.display.hidden:
            return False
        if self.display.group_of(change["attribute"]).style == "changed":
            # The reason usually lists such attributes. It is shortened if there are many.
            is_listed = bool(change["reason"]) and change["reason"] in self.report["reason"]
            return change["before"] is not None and not is_listed
        # The heading shows the path, and an empty new value carries no information.
        return bool(change["before"]) or change["after"] not in (self.report["path"], None, "")

    def _change(self, change: ChangeReport) -> str:
        """Return one change, with its reason unless that is the reason of the resource."""
        group = self.display.group_of(change["attribute"])
        sign, text = self._describe(change, group)
        reason = change["reason"] if change["reason"] != self.report["reason"] else ""
        suffix = self.paint("dim", f"  ({printable(reason)})") if reason else ""
        return f"    {self.paint(sign, f'{sign} {printable(text)}')}{suffix}"

    def _describe(self, change: ChangeReport, group: Group) -> tuple[str, str]:
        """Return the sign of a change and its text."""
        name = change["attribute"].removeprefix(group.prefix)
        before, after = change["before"], self._final_value(change)
        sign = "+" if before is None else "-" if after is None else "~"
        if group.style == "changed":
            return sign, f"{name} changed" if sign == "~" else name
        if before is None:
            return sign, f"{name} {after}"
        if group.style == "condition":
            future = "" if self.report["outcome"] == "changed" else "will be "
            return sign, f"{name}  {before}, {future}{'deleted' if after is None else 'restored'}"
        return sign, f"{name} {before}" if after is None else f"{name} {before} → {after}"

    def _final_value(self, change: ChangeReport) -> str | None:
        """Return the value after the change. A plan can't predict some, such as a new ID."""
        after, observed = change["after"], self.report["observed"]
        if self.report["outcome"] != "changed" or observed is None or after is None:
            return after
        return observed.get(change["attribute"], after)
