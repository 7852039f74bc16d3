"""The changes of one resource as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.frozen import frozen
from engine.output.text import count, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.display import Display, Group
    from engine.output.report_schema import ChangeReport, ResourceReport
    from engine.output.text import Paint

_FEW = 5
"""Maximum number of new members that have a line each."""
_MAX_CHANGES = 40
"""Maximum number of changes to show for each group of a resource, without `--verbose`."""
_MAX_LINES = 4
"""Maximum number of lines for new members of a group, without `--verbose`."""
_MORE = " … and {} more (`--verbose` shows all)"
_MAX_SUMMARY = 3
"""Maximum number of changes on one line."""


@frozen
class Changes:
    """The changes of one resource, in the form that one report shows."""

    resource: ResourceReport
    display: Display
    paint: Paint
    verbose: bool
    width: int

    def lines(self) -> list[str]:
        """Return the changes by group, shortened unless `verbose`."""
        lines = []
        for group, changes in self._by_group():
            if self._is_new(group, changes) and len(changes) > _FEW:
                lines += self._in_columns(group, changes)
                continue
            shown = changes if self.verbose else changes[:_MAX_CHANGES]
            lines += [self._line(change) for change in shown]
            if len(changes) > len(shown):
                hidden = len(changes) - len(shown)
                lines.append(f"   {_MORE.format(hidden)}")
        return lines

    def summary(self) -> str:
        """Return the changes on one line, shortened."""
        texts: list[str] = []
        for group, changes in self._by_group():
            if self._is_new(group, changes):
                texts.append(count(len(changes), group.noun))
            else:
                texts += [" ".join(self._describe(change, group)) for change in changes]
        headline = [self.headline()] if self.resource["action"] == "create" else []
        texts = [*filter(None, headline), *map(printable, texts)]
        more = len(texts) - _MAX_SUMMARY
        return ", ".join(texts[:_MAX_SUMMARY]) + (f", and {more} more" if more > 0 else "")

    def remark(self) -> str:
        """Return the reason of the resource, without reasons that the line of a change shows."""
        reason = self.resource["reason"]
        parts = {change["reason"]: "" for change in self.resource["changes"] if change["reason"]}
        if len(parts) < 2 or not reason.startswith(", ".join(list(parts)[:2])):
            return printable(reason)
        shown = {change["reason"] for _, changes in self._by_group() for change in changes}
        return ", ".join(printable(part) for part in parts if part not in shown)

    def headline(self) -> str:
        """Return the most important attribute of a new resource, or an empty string."""
        if self.display.headline is None:
            return ""
        name, write = self.display.headline
        for change in self.resource["changes"]:
            if change["attribute"] == name and change["after"]:
                return printable(write(self._final_value(change) or ""))
        return ""

    def _by_group(self) -> Iterator[tuple[Group, list[ChangeReport]]]:
        """Yield the changes to show, in the order of the display."""
        members: dict[str, list[ChangeReport]] = {"": []}
        members.update((group.prefix, []) for group in self.display.groups)
        for change in self.resource["changes"]:
            if self.verbose or self._is_informative(change):
                members[self.display.group_of(change["attribute"]).prefix].append(change)
        for prefix, changes in members.items():
            if changes:
                yield self.display.group_of(prefix or changes[0]["attribute"]), changes

    def _is_new(self, group: Group, changes: Sequence[ChangeReport]) -> bool:
        """Return whether to show only the new members, without a reason for each."""
        is_creation = self.resource["action"] == "create" and not self.verbose
        return is_creation and bool(group.noun) and all(c["before"] is None for c in changes)

    def _in_columns(self, group: Group, changes: Sequence[ChangeReport]) -> list[str]:
        names = [
            printable(f"{change['attribute'].removeprefix(group.prefix)} {change['after']}")
            for change in changes
        ]
        heading = f"{count(len(names), group.noun)}: "
        rows = fill(names, self.width - 4, _MAX_LINES, len(heading))
        rows[0] = self.paint("+", heading) + rows[0]
        return [f"    {row}" for row in rows]

    def _is_informative(self, change: ChangeReport) -> bool:
        name, display = change["attribute"], self.display
        if name in display.hidden:
            return False
        if self.resource["action"] == "create":
            is_headline = display.headline is not None and name == display.headline[0]
            if is_headline:
                return False
        if change["before"] is None and (name, change["after"]) in display.defaults:
            return False
        if display.group_of(name).style == "changed":
            # The reason usually lists such attributes. It is shortened if there are many.
            is_listed = bool(change["reason"]) and change["reason"] in self.resource["reason"]
            return change["before"] is not None and not is_listed
        # The heading shows the path, and an empty new value carries no information.
        return bool(change["before"]) or change["after"] not in (self.resource["path"], None, "")

    def _line(self, change: ChangeReport) -> str:
        """Return one change, with its reason unless that is the reason of the resource."""
        group = self.display.group_of(change["attribute"])
        sign, text = self._describe(change, group)
        reason = change["reason"] if change["reason"] != self.resource["reason"] else ""
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
            future = "" if self.resource["outcome"] == "changed" else "will be "
            return sign, f"{name}  {before}, {future}{'deleted' if after is None else 'restored'}"
        return sign, f"{name} {before}" if after is None else f"{name} {before} → {after}"

    def _final_value(self, change: ChangeReport) -> str | None:
        """Return the value after the change. A plan can't predict some, such as a new ID."""
        after, observed = change["after"], self.resource["observed"]
        if self.resource["outcome"] != "changed" or observed is None or after is None:
            return after
        return observed.get(change["attribute"], after)


def fill(items: Sequence[str], width: int, max_lines: int, first_indent: int = 0) -> list[str]:
    """Return items separated by commas in lines of a width. Items that don't fit are counted.

    Args:
        items: The items. Each keeps on one line.
        width: The number of characters in a line. A longer item exceeds it.
        max_lines: The number of lines after which items are only counted.
        first_indent: The number of characters in front of the first line.

    Returns:
        At least one line.

    """
    lines = [""]
    available = width - first_indent
    for index, item in enumerate(items):
        text = item + ("," if index < len(items) - 1 else "")
        is_last_line = len(lines) == max_lines
        reserved = len(_MORE) + 4 if is_last_line and index < len(items) - 1 else 0
        if lines[-1] and len(lines[-1]) + 1 + len(text) + reserved > available:
            if is_last_line:
                lines[-1] += _MORE.format(len(items) - index)
                return lines
            lines.append("")
            available = width
        lines[-1] += (" " if lines[-1] else "") + text
    return lines
