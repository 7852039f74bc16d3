"""converge reads each line of a requirement file as pip does, or rejects it with its position."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import pytest

from states.venv.resolve.lines.line import Line, line_error
from states.venv.resolve.lines.options import binary_options
from states.venv.resolve.requirements import read_lines

FILE = "/srv/app/requirements.txt"
COUNT = 600
PIP = """
import json, sys
from pip._internal.req.req_file import OptionParsingError, get_line_parser, preprocess
parse = get_line_parser(None)
for content in json.load(sys.stdin):
    lines = []
    for number, text in preprocess(content):
        try:
            requirement, found = parse(text)
        except OptionParsingError:
            lines.append(None)
            continue
        binary = found.format_control
        lines.append([number, requirement.strip(), {
            "--index-url": found.index_url or "", "--extra-index-url": found.extra_index_urls,
            "--find-links": found.find_links, "--no-index": found.no_index, "--pre": found.pre,
            "--trusted-host": found.trusted_hosts, "--require-hashes": found.require_hashes,
            "--requirement": found.requirements, "--constraint": found.constraints,
            "--prefer-binary": found.prefer_binary,
            "--hash": [f"{k}:{v}" for k, vs in (found.hashes or {}).items() for v in vs],
            "--config-settings": found.config_settings or {},
            "--no-binary": sorted(binary.no_binary), "--only-binary": sorted(binary.only_binary),
        }])
    print(json.dumps(lines))
"""
"""Prints how pip parses each content: a list of lines, with None for a syntax error."""
URLS = ["https://a.example/simple", "http://127.0.0.1:8080/simple/", "https://b.example/x#y=z"]
VALUED = {
    "-i": URLS, "--index-url": URLS, "--pypi-url": URLS, "--ind": URLS,
    "--extra-index-url": URLS, "--extra": URLS, "-f": ["/srv/wheels", "https://c.example/links"],
    "--find-links": ["/srv/wheels", "https://c.example/links"], "--trusted-host": ["a.example"],
    "--no-binary": [":all:", "web", "web,API_x", ":none:"], "--only-binary": [":all:", "web,api"],
    "-r": ["/srv/more.txt"], "-c": ["/srv/more.txt"], "--hash": [f"sha256:{'ab' * 32}"],
    "-e": ["."], "--config-settings": ["a=b", "c=d=e"],
}  # fmt: skip
FLAGS = ["--no-index", "--pre", "--require-hashes", "--prefer-binary", "--no", "--nothing", "-x"]
REQUIREMENTS = ["six", "six==1.0", "six ; python_version > '3'", "Web_App[tls]>=1,<2", ""]
ENDS = ["", "", "", " # comment", "#fragment", " \\", "\\", "\t", " # comment \\"]


def random_content(choose: random.Random) -> str:
    """Return one to three physical lines made of options, requirements, and comments."""
    return "\n".join(_random_line(choose) for _ in range(choose.randint(1, 3)))


def _random_line(choose: random.Random) -> str:
    parts = [choose.choice(REQUIREMENTS) if choose.random() < 0.4 else ""]
    for _ in range(choose.choice([0, 1, 1, 2, 2, 3])):
        if choose.random() < 0.3:
            parts.append(choose.choice(FLAGS))
            continue
        name = choose.choice(list(VALUED))
        value = choose.choice(VALUED[name])
        quote = choose.choice(["", "", "", '"', "'"])
        separator = choose.choice([" ", " ", "=", "  ", "\t"] + [""] * (len(name) == 2))
        parts.append(f"{name}{separator}{quote}{value}{quote}")
    separator = choose.choice([" ", " ", "  ", "\t"])
    return separator.join(filter(None, parts)) + choose.choice(ENDS)


def read(content: str) -> list[Line]:
    """Return the lines of a file without those of the files that it includes."""

    def missing(name: str, _line: Line | None) -> None:
        raise AssertionError(name)

    files = {FILE: content}
    return list(read_lines(FILE, lambda name: files.get(name, ""), missing, constraint=False))


def as_pip(line: Line) -> list[Any]:
    """Return a line in the form that the script `PIP` prints."""

    def values(name: str) -> list[str]:
        return [value for option, value in line.options if option == name]

    body = "" if line.is_only_options() else line.text.split(" --hash")[0]
    names = ("--extra-index-url", "--find-links", "--trusted-host", "--hash")
    settings: dict[str, Any] = {}
    for name, _, text in (value.partition("=") for value in values("--config-settings")):
        earlier = settings.get(name, [])
        texts = [*(earlier if isinstance(earlier, list) else [earlier]), text]
        settings[name] = texts[0] if len(texts) == 1 else texts
    flags = ("--no-index", "--pre", "--require-hashes", "--prefer-binary")
    binary = binary_options(line.options)
    return [line.number, body, {
        "--index-url": (values("--index-url") or [""])[-1],
        **{name: values(name) for name in names},
        "--config-settings": settings,
        **{name: line.has_option(name) for name in flags},
        **{name: sorted(value for option, value in binary if option == name)
           for name in ("--no-binary", "--only-binary")},
    }]  # fmt: skip


def test_each_line_is_read_as_pip_reads_it() -> None:
    """A rejected line has a position. No option is ignored."""
    choose = random.Random(12)
    contents = [random_content(choose) for _ in range(COUNT)]
    completed = subprocess.run(
        [sys.executable, "-c", PIP], input=json.dumps(contents), capture_output=True, text=True
    )
    if "No module named 'pip" in completed.stderr:
        pytest.skip("pip isn't installed in this environment")
    expected = [json.loads(row) for row in completed.stdout.splitlines()]
    assert len(expected) == COUNT, completed.stderr

    accepted = 0
    for content, by_pip in zip(contents, expected, strict=True):
        lines = read(content)
        if rejected := [line for line in lines if line_error(line)]:
            assert all(line.number >= 1 for line in rejected), content
            continue
        assert None not in by_pip, content
        # An included file is read in place of its line.
        others = [
            [number, body, {name: value for name, value in options.items()
                            if name not in ("--requirement", "--constraint")}]
            for number, body, options in by_pip
            if not options["--requirement"] and not options["--constraint"]
        ]  # fmt: skip
        assert [as_pip(line) for line in lines] == others, content
        accepted += 1

    assert accepted > 100
