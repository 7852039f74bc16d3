"""What a password in a text looks like. All that is shown or kept comes through here."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SECRET = r"""(?: :// | (?<=http):/ | (?<=https):/ )
    (?P<secret>
      [^\s/?#:\[\]"'`]* : (?! \d+[/?#.] | \d*(?:[\s"'`,;)\]}>]|$) ) (?:(?!://)[^\n])* @
      (?= [\w.-]+ (?: :\d+ )? / )
    | (?: (?<=http://)(?<!\+http://) | (?<=https://)(?<!\+https://) )
      [^\s/?#:\[\]"'`]* : (?:(?!://)[^\s"'`])* @
    | [^\s/?#]*@
    | [^\s/?#:\[\]"'`]* : (?! \d+[/?#.] | \d*(?:[\s"'`,;)\]}>]|$) ) (?:(?!://)[^\n])* @
    )"""
"""The user and the password of a URL, up to the last `@` of a word, since a `/` or an `@` in a
password may not be encoded; up to the last before a host and a path in `git+https://` and its
like, in which a version follows an `@`; then passwords with a space, where what stands for the
port is no number."""
_BARE = r"""(?<![\w.:/@+-]) (?!mailto:) [\w.+-]+ : [^\s/"'`@]+ @ (?= [\w.-]+ (?: :\d+ )? / )"""
"""The same where the scheme was forgotten: known by the path that follows the host."""
_MARK = "****@"


def find_credentials(text: str) -> list[tuple[int, int]]:
    """Return where the users and passwords of URLs stand in a text, each with its `@`.

    A user name that stands alone may be a token; only `git@` and its like are none, and
    whoever logs in by ssh.
    """
    if "@" not in text:
        return []
    # Compiled when first needed, and then remembered by `re`: most runs have no need of it.
    found = [
        one.span("secret")
        for one in re.finditer(_SECRET, text, re.IGNORECASE | re.VERBOSE)
        if not _plain(one)
    ]
    bare = [one.span() for one in re.finditer(_BARE, text, re.VERBOSE)]
    # A password may itself look like one of the latter.
    inside = [one for one in bare if any(start < one[1] and one[0] < end for start, end in found)]
    return sorted({*found, *bare} - {*inside})


def redact(text: str) -> str:
    """Return a text with the user and the password of every URL in it replaced."""
    for start, end in reversed(find_credentials(text)):
        text = text[:start] + _MARK + text[end:]
    return text


def redact_offset(text: str, place: int) -> int:
    """Return where a place in a text is once that is redacted; one in a secret is at its end."""
    for start, end in reversed(find_credentials(text)):
        if place > start:
            place = max(place, end) - (end - start) + len(_MARK)
    return place


def redact_all(content: Any) -> Any:
    """Return a document with all of its texts redacted."""
    if isinstance(content, str):
        return redact(content)
    if isinstance(content, dict):
        return {key: redact_all(one) for key, one in content.items()}
    if isinstance(content, list | tuple):
        return [redact_all(one) for one in content]
    return content


def _plain(found: re.Match[str]) -> bool:
    user = found["secret"][:-1]
    ssh = found.string.endswith("ssh", 0, found.start())
    return ":" not in user and (ssh or user in ("git", "hg", "svn"))
