"""A report as text: the resources that changed, the notices, and a summary."""

from __future__ import annotations

from engine.output.text import fold, printable, short_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.display import Display
    from engine.output.report_schema import Report
    from engine.output.text import Paint


def format_report(
    report: Report,
    paint: Paint,
    displays: Mapping[str, Display],
    *,
    verbose: bool = False,
    width: int | None = None,
) -> str:
    """Return a report as text: changed resources, then notices, then a summary line.

    Args:
        report: The report.
        paint: Colors the text.
        displays: How to show attributes, by kind.
        verbose: Show unchanged resources, hidden attributes, and every change.
        width: The number of characters in a line of the terminal. Names and values can exceed it.
            Without a terminal, each notice, message, and hint is one line.

    Returns:
        The text, which ends with a newline.

    """
    text = ""
    shown = [
        resource
        for resource in report["resources"]
        if verbose or resource["outcome"] != "unchanged"
    ]
    if shown:
        # Imported here: a no-op run shows no resource.
        from engine.output.resource_text import Layout

        text = Layout(paint, displays, verbose, width).format(shown)
    folded = [fold(printable(n), width, used=6, indent=6) for n in report["notices"]]
    notices = [f"{paint('note', 'note')}: {notice}\n" for notice in folded]
    text += ("\n" if text and notices else "") + "".join(notices)
    summary = f"{report['command'].capitalize()}: {report['comment']}."
    text += ("\n" if text else "") + paint("bold", summary)
    if report["command"] == "plan" and report["changed"]:
        text += paint("dim", f"  (plan {short_digest(report['digest'])})")
    return f"{text}\n"
