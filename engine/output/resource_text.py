"""The resources of a report as text. Equal changes of many resources are shown once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.frozen import frozen, replace
from engine.output.change_text import Changes, fill
from engine.output.text import DEFAULT_WIDTH, fold, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.display import Display
    from engine.output.report_schema import ErrorReport, ResourceReport
    from engine.output.text import Paint

_SIGNS = {"create": "+", "update": "~", "replace": "±", "repair": "!", "delete": "-", "none": " "}
_PAST = {"create": "created", "update": "updated", "replace": "replaced", "repair": "repaired",
         "delete": "deleted", "run": "executed"}  # fmt: skip
_MIN_MEMBERS = 3
"""Minimum number of resources with equal changes that are shown together."""
_MAX_OUTPUT = 20
"""Maximum number of lines to show of the output of a command, without `--verbose`."""
_MAX_TITLE = 40
"""Maximum width of the column of addresses. A longer address takes more."""


@frozen
class Block:
    """One or more resources with the same changes."""

    sign: str
    titles: tuple[str, ...]
    kind: str
    verb: str
    place: str
    """The path, the description, or the duration of a change that was made. Equal blocks may
    differ in it."""
    remark: str
    """The reason, or the most important attribute of a new resource."""
    body: tuple[str, ...]
    is_brief: bool
    """Whether it is one of many changes that were made, without empty lines in between."""
    error: tuple[str, str] | None = None
    """The message and the hint of a failure."""

    def key(self) -> tuple[object, ...]:
        """Return everything that resources of one block have in common."""
        return self.sign, self.kind, self.verb, self.remark, self.body


@frozen
class Layout:
    """Formats the resources of one report."""

    paint: Paint
    displays: Mapping[str, Display]
    verbose: bool
    terminal_width: int | None

    @property
    def width(self) -> int:
        """The number of characters in a line."""
        return self.terminal_width or DEFAULT_WIDTH

    def format(self, resources: Sequence[ResourceReport]) -> str:
        """Return the lines of all resources, with an empty line around those that have a body."""
        blocks = [self._block(resource) for resource in resources]
        if not self.verbose:
            blocks = self._shorten_repeated(_merge(blocks))
        headings = [_heading(block) for block in blocks]
        columns = [min(max(len(h[n]) for h in headings), _MAX_TITLE) for n in range(3)]
        text = ""
        spaced = False
        for block, heading in zip(blocks, headings, strict=True):
            lines = [*self._heading(block, heading, columns), *block.body]
            is_tall = len(lines) > 1 and not block.is_brief
            text += "\n" if text and (spaced or is_tall) else ""
            text += "".join(f"{line}\n" for line in lines)
            spaced = is_tall
        return text

    def _shorten_repeated(self, blocks: Sequence[Block]) -> list[Block]:
        """Leave out the lines of an error that an earlier one with the same message has."""
        shortened = []
        first: dict[tuple[str, str], Block] = {}
        for block in blocks:
            earlier = first.setdefault(block.error, block) if block.error else block
            if earlier is not block:
                own = [line for line in block.body[1:] if line not in earlier.body]
                if len(own) + 2 < len(block.body):
                    reference = self.paint("dim", f"      more: see {earlier.titles[0]}")
                    block = replace(block, body=(block.body[0], *own, reference))  # noqa: PLW2901
            shortened.append(block)
        return shortened

    def _block(self, resource: ResourceReport) -> Block:
        display = self.displays[resource["kind"]]
        outcome, action = resource["outcome"], resource["action"]
        sign = {"failed": "✗", "skipped": "·"}.get(outcome, _SIGNS[action])
        verb: str = outcome if outcome in ("failed", "skipped", "unchanged") else action
        if display.runs and verb in ("create", "update", "repair"):
            sign, verb = "»", "run"
        changes = Changes(resource, display, self.paint, self.verbose, self.width)
        is_done = outcome == "changed"
        body: list[str] = []
        remark = printable(resource["reason"])
        if resource["error"] is not None:
            remark = ""
            body = self._error(resource["error"])
        elif is_done and not self.verbose:
            remark = changes.summary()
        elif action == "create":
            remark = changes.headline() or ("" if not display.runs else remark)
            body = changes.lines()
        else:
            remark = changes.remark()
            body = changes.lines()
        body += self._output(resource["output"])
        return Block(
            sign=sign,
            titles=(printable(resource["address"]),),
            kind=resource["kind"],
            verb=_PAST.get(verb, verb) if is_done else verb,
            place=(
                f"{resource['duration_s'] or 0:6.1f} s"
                if is_done and not self.verbose
                else printable(resource["path"] or resource["description"] or "")
            ),
            remark=remark,
            body=tuple(body),
            is_brief=is_done and not self.verbose,
            error=_error_key(resource["error"]),
        )

    def _heading(
        self, block: Block, cells: tuple[str, str, str], columns: Sequence[int]
    ) -> list[str]:
        """Return the first line, with the remark on the next one if it doesn't fit.

        Args:
            block: The block.
            cells: Its title, verb, and path.
            columns: The widths of the columns, over all blocks.

        Returns:
            The lines, without the changes.

        """
        title, verb, place = cells
        left = f"{block.sign} {title:{columns[0]}}  {verb:{columns[1]}}"
        plain = left + (f"  {place:{columns[2]}}" if place else "")
        line = self.paint(f"bold{block.sign}", left.rstrip()) + plain[len(left.rstrip()) :]
        if not block.remark:
            lines = [line.rstrip()]
        elif len(plain) + 2 + len(block.remark) <= self.width:
            lines = [f"{line}  {self.paint('dim', block.remark)}"]
        else:
            remark = fold(block.remark, self.width, used=4, indent=4).split("\n")
            dimmed = (f"    {self.paint('dim', part.strip())}" for part in remark)
            lines = [line.rstrip(), *dimmed]
        if len(block.titles) > 1:
            names = [title.partition(".")[2] for title in block.titles]
            lines += [f"    {row}" for row in fill(names, self.width - 4, 2)]
        return lines

    def _error(self, error: ErrorReport) -> list[str]:
        message = fold(printable(error["message"]), self.terminal_width, used=11, indent=6)
        lines = [f"    {self.paint('error', 'error')}: {message}"]
        lines += [f"      {printable(line)}" for line in error["output"].splitlines()]
        if error["hint"]:
            hint = fold(printable(error["hint"]), self.terminal_width, used=10, indent=6)
            lines.append(f"    {self.paint('bold', 'hint')}: {hint}")
        return lines

    def _output(self, output: str) -> list[str]:
        """Return the last lines that a successful command printed, or all with `verbose`."""
        lines = output.splitlines()
        shown = lines if self.verbose else lines[-_MAX_OUTPUT:]
        return [f"    {self.paint('dim', '| ')}{printable(line)}" for line in shown]


def _error_key(error: ErrorReport | None) -> tuple[str, str] | None:
    return (error["message"], error["hint"] or "") if error is not None else None


def _merge(blocks: Sequence[Block]) -> list[Block]:
    """Join blocks with equal changes, at the place of the first one."""
    members: dict[tuple[object, ...], list[Block]] = {}
    for block in blocks:
        members.setdefault(block.key(), []).append(block)
    merged: list[Block] = []
    for equal in members.values():
        if len(equal) < _MIN_MEMBERS:
            merged += equal
            continue
        titles = tuple(title for block in equal for title in block.titles)
        merged.append(replace(equal[0], titles=titles, place=""))
    order = {id(block): index for index, block in enumerate(blocks)}
    position = {block.titles[0]: order[id(block)] for block in blocks}
    return sorted(merged, key=lambda block: position[block.titles[0]])


def _heading(block: Block) -> tuple[str, str, str]:
    """Return the cells of the first line: the address or a number, the verb, and the path."""
    count = len(block.titles)
    title = f"{count} {block.kind}s" if count > 1 else block.titles[0]
    return title, block.verb, block.place
