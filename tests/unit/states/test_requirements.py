"""Requirement and constraint files: lines, nesting, paths, and rejected input."""

from __future__ import annotations

from typing import Any

import pytest
from packaging.markers import default_environment

from engine.errors import ConvergeError
from states.venv.resolve.lines.line import Line, line_error, parse_line
from states.venv.resolve.lines.options import binary_options
from states.venv.resolve.lines.rejected import locate_rejected
from states.venv.resolve.references import is_url, local_path, strip_file_scheme, to_file_url
from states.venv.resolve.requirements import (
    declared_lines,
    drop_packages,
    exact_requirements,
    read_lines,
    required_names,
)

ENVIRONMENT = dict[str, Any](default_environment())
FILE = "/etc/site/requirements.txt"


def _line(text: str, *, constraint: bool = False) -> Line:
    return parse_line(text, FILE, 3, constraint=constraint)


def _read(files: dict[str, str], *, constraint: bool = False) -> list[Line]:
    """Return the lines of the first file, and fail for a missing one."""

    def missing(name: str, nested_by: Line | None) -> None:
        pytest.fail(f"no such file: {name} ({nested_by})")

    return list(read_lines(next(iter(files)), files.get, missing, constraint=constraint))


LOGICAL_LINES = {
    "": [],
    "\n\n": [],
    "# comment\n": [],
    "web\n": [(1, "web")],
    "  web  \n": [(1, "web")],
    "web # comment\n": [(1, "web")],
    "web#fragment\n": [(1, "web#fragment")],
    "\n\nweb\n\napi": [(3, "web"), (5, "api")],
    "web \\\n  ==1.0\napi\n": [(1, "web   ==1.0"), (3, "api")],
    "web \\\n# comment\napi\n": [(1, "web"), (3, "api")],
    "web==1 \\\n --hash=sha256:ab \\\n --hash=sha256:cd\n": [
        (1, "web==1 --hash=sha256:ab --hash=sha256:cd")
    ],
    "web\\": [(1, "web")],
    "web # comment \\\napi\n": [(1, "web")],
    "web\\\n  # comment \\\napi\n": [(1, "web"), (3, "api")],
    "web\\\\\napi": [(1, "webapi")],
    "web\r\napi\r\n": [(1, "web"), (2, "api")],
}


@pytest.mark.parametrize(("content", "lines"), LOGICAL_LINES.items())
def test_read_lines_joins_and_numbers(content: str, lines: list[tuple[int, str]]) -> None:
    """A continued line has the number of its first physical line."""
    assert [(line.number, line.text) for line in _read({FILE: content})] == lines


ABSOLUTE = {
    "./web.whl": "file:///etc/site/web.whl",
    "../web-1.0.tar.gz": "file:///etc/web-1.0.tar.gz",
    "web.zip": "file:///etc/site/web.zip",
    "web.zip#sha256=ab": "file:///etc/site/web.zip#sha256=ab",
    "web.zip ; python_version > '3'": "file:///etc/site/web.zip  ; python_version > '3'",
    "web.zipped==1.0": "web.zipped==1.0",
    "web @ ../project": "web @ file:///etc/project",
    "web[tls] @ ./project": "web[tls] @ file:///etc/site/project",
    "web @ file:project": "web @ file:///etc/site/project",
    "web @ https://example.org/web.whl": "web @ https://example.org/web.whl",
    "web @ ./project; python_version > '3'": "web @ file:///etc/site/project ; python_version > '3'",
    "./project#egg=web": "web @ file:///etc/site/project",
    "git+https://h/x@v1#egg=web": "web @ git+https://h/x@v1",
    "git+https://h/x#egg=web[tls]&subdirectory=a": "web[tls] @ git+https://h/x#subdirectory=a",
    "git+https://h/x#subdirectory=a&egg=web ; python_version > '3'": (
        "web @ git+https://h/x#subdirectory=a ; python_version > '3'"
    ),
    "-f wheels": "--find-links /etc/site/wheels",
    "--find-links=wheels": "--find-links /etc/site/wheels",
    "--pre -f 'two words'": "--pre --find-links /etc/site/two words",
    "-f https://example.org/wheels": "--find-links https://example.org/wheels",
    "-i ./simple": "--index-url file:///etc/site/simple",
    "web==1.0": "web==1.0",
    "/srv/web.whl": "file:///srv/web.whl",
}


@pytest.mark.parametrize(("text", "absolute"), ABSOLUTE.items())
def test_read_lines_makes_paths_absolute(text: str, absolute: str) -> None:
    """A relative path is relative to the file that contains the line."""
    assert [line.text for line in _read({FILE: text})] == [absolute]


def test_read_lines_quotes_directory_in_url() -> None:
    """A `#` in the name of the directory isn't a fragment."""
    (line,) = _read({"/srv/a#b/r.txt": "./web"})
    assert line.text == "file:///srv/a%23b/web"
    assert line.local_path() == "/srv/a#b/web"


NESTING = [
    ("-r more.txt", False, False),
    ("--requirement more.txt", False, False),
    ("--requirement=more.txt", False, False),
    ("-rmore.txt", False, False),
    ("-c more.txt", False, True),
    ("--constraint=more.txt", False, True),
    ("-r more.txt", True, True),
    ('-r "more.txt"', False, False),
    ("--requirem more.txt", False, False),
    ("-r file:///etc/site/more.txt", False, False),
]


@pytest.mark.parametrize(("text", "outer", "inner"), NESTING)
def test_read_lines_nests_files(text: str, outer: bool, inner: bool) -> None:
    """A file that a constraint file includes holds constraints."""
    files = {"/etc/site/top.txt": f"api\n{text}\n", "/etc/site/more.txt": "web\n"}
    lines = _read(files, constraint=outer)
    assert [(line.text, line.constraint) for line in lines] == [("api", outer), ("web", inner)]
    assert lines[1].location() == "`/etc/site/more.txt` line 1"


def test_read_lines_stops_at_inclusion_cycle() -> None:
    """A file that includes itself adds no line twice."""
    files = {"/a.txt": "web\n-r b.txt\n", "/b.txt": "-r a.txt\napi\n"}
    assert [line.text for line in _read(files)] == ["web", "api"]


def test_read_lines_joins_nested_url() -> None:
    """A relative name in a remote file is relative to its URL."""
    top = "https://example.org/site/top.txt"
    files = {top: "-c ../upper.txt", "https://example.org/upper.txt": "web==1"}
    assert [line.text for line in _read(files)] == ["web==1"]


def test_read_lines_keeps_unread_url() -> None:
    """A URL whose content is its own name is one line, and isn't a requirement."""
    url = "https://example.org/upper.txt"
    (line,) = _read({url: url})
    assert (line.text, line.location(), line.local_path()) == (url, f"`{url}`", None)


def test_read_lines_reports_missing_file_with_its_includer() -> None:
    """The top file has no includer."""
    missing: list[tuple[str, int]] = []

    def add(name: str, nested_by: Line | None) -> None:
        missing.append((name, nested_by.number if nested_by else 0))

    files = {"/a.txt": "web\n\n-r b.txt\n"}
    assert [line.text for line in read_lines("/a.txt", files.get, add, constraint=False)] == ["web"]
    assert list(read_lines("/c.txt", files.get, add, constraint=False)) == []
    assert missing == [("/b.txt", 3), ("/c.txt", 0)]


REQUIREMENTS = {
    "Web_App[tls]>=1,<2; python_version>'3'": "Web_App",
    "web==1 --hash=sha256:abcd": "web",
    "/srv/web_app-1.0-py3-none-any.whl": "web_app",
    "https://example.org/web-1.0-py3-none-any.whl#sha256=ab": "web",
    "/srv/web-1.0-py3-none-any.whl[tls]": "web",
    "web.zipped==1": "web.zipped",
    "--pre": None,
    "-f /srv/wheels": None,
    "https://example.org/web.tar.gz": None,
    "/srv/project": None,
}


@pytest.mark.parametrize(("text", "name"), REQUIREMENTS.items())
def test_line_requirement_name(text: str, name: str | None) -> None:
    """Neither an option nor a path without a project name has a requirement."""
    requirement = _line(text).requirement
    assert (requirement.name if requirement else None) == name


def test_line_requirement_of_wheel_keeps_extras_and_marker() -> None:
    """A wheel's file name is the name of its project."""
    line = _line("/srv/web-1.0-py3-none-any.whl[tls] ; python_version > '3'")
    requirement = line.requirement
    assert requirement is not None
    assert (requirement.extras, str(requirement.marker)) == ({"tls"}, 'python_version > "3"')


def test_line_requirement_rejects_invalid_text() -> None:
    """The error is that of the parser, to follow a colon."""
    line = _line("web=1")
    assert line.requirement is None
    assert line.error is not None
    assert ": expected" in line.error[0]


OPTIONS: dict[str, list[tuple[str, str]]] = {
    "web": [],
    "web-app": [],
    "--pre": [("--pre", "")],
    "-i https://example.org/a-b": [("--index-url", "https://example.org/a-b")],
    "-ihttps://example.org": [("--index-url", "https://example.org")],
    "--pypi-url=https://example.org": [("--index-url", "https://example.org")],
    "--trusted-host x -i https://a": [("--trusted-host", "x"), ("--index-url", "https://a")],
    "web==1 --hash=sha256:ab --hash sha256:cd": [("--hash", "sha256:ab"), ("--hash", "sha256:cd")],
}


@pytest.mark.parametrize(("text", "options"), OPTIONS.items())
def test_line_options(text: str, options: list[tuple[str, str]]) -> None:
    """A line may contain several options, each in any spelling."""
    assert list(_line(text).options) == options


BINARY_OPTIONS = {
    "--only-binary a,B_c": "--only-binary a|--only-binary b-c",
    "--only-binary a --no-binary a": "--no-binary a",
    "--only-binary a,b --no-binary :all:": "--no-binary :all:",
    "--no-binary :all: --only-binary a": "--no-binary :all:|--only-binary a",
    "--no-binary a --no-binary :none:": "",
    "--no-binary :all:,:none:,a": "--no-binary a",
    "--no-binary a,": "--no-binary a",
}


@pytest.mark.parametrize(("text", "effect"), BINARY_OPTIONS.items())
def test_later_binary_option_wins(text: str, effect: str) -> None:
    """Each option may name several packages."""
    assert "|".join(map(" ".join, binary_options(_line(text).options))) == effect


LOCAL = {
    "web": None,
    "web @ file:///srv/a%20b": "/srv/a b",
    "web @ https://example.org/web.whl": None,
    "file:///srv/project": "/srv/project",
    "file:///srv/project[tls]": "/srv/project",
    "file:///srv/web-1-py3-none-any.whl": "/srv/web-1-py3-none-any.whl",
    "--pre": None,
}


@pytest.mark.parametrize(("text", "path"), LOCAL.items())
def test_line_local_path(text: str, path: str | None) -> None:
    """Only a project or file on this host has a local path."""
    assert _line(text).local_path() == path


ERRORS = {
    "web @ https://user:secret@example.org/web.whl": "****@example.org",
    "-e .": "editable",
    "--editable=./project": "editable",
    "web @ file:///${HOME}/web": "${HOME}",
    "git+ssh://git@h:team/x.git": "invalid port",
    "web @ git+ssh://git@h:team/x.git": "invalid port",
    "--config-settings=x": "--config-settings",
    "web --config-settings=x": "invalid setting `x`",
    "web --config-settings=x=https://u:secret@h": "****@h",
    "web --global-option=x": "--global-option",
    "web --pre": "--pre",
    "--pre web": "`web`",
    "-r more.txt -i https://example.org": "another option",
    "-i": "-i option requires 1 argument",
    "--no": "ambiguous option",
    "--pre=x": "--pre",
    '-i "https://example.org': "invalid quotes",
    "-i example.org/simple": "`example.org/simple`",
    "--extra-index-url 'https://a b'": "`https://a b`",
    "-f ~/wheels": "`~/wheels`",
    "--no-binary a/b": "`a/b`",
    "--trusted-host https://example.org": "`https://example.org`",
    "--hash=sha256:ab": "--hash",
    "-r ${NAME}.txt": "${NAME}",
    "web=1": "`web=1`",
    "web==1 ==2": "`web==1 ==2`",
    f"web={'x' * 80}": "…`",
}


@pytest.mark.parametrize(("text", "part"), ERRORS.items())
def test_line_error_names_the_offending_part(text: str, part: str) -> None:
    """The message quotes the rejected option, variable or text."""
    error = line_error(_line(text))
    assert error is not None
    assert part in error[0]
    assert "secret" not in "".join(error)


HINTS = {
    "-e .": "`name @ file:///path`",
    "-e git+https://h/x@v1#egg=web": "`web @ git+https://h/x@v1`",
    "-e git+https://h/x": "`name @ git+https://h/x`",
    "git+ssh://git@h:team/x.git": "`git+ssh://git@h/team/x.git`",
}


@pytest.mark.parametrize(("text", "part"), HINTS.items())
def test_line_error_hints_at_the_supported_form(text: str, part: str) -> None:
    error = line_error(_line(text))
    assert error is not None
    assert part in error[1]


@pytest.mark.parametrize(
    ("output", "number"),
    [
        ("error: Couldn't parse requirement in `requirements.in` at position 5", 7),
        ("error: Couldn't parse requirement in `/tmp/x/requirements.in` at position 3", 3),
        ("error: Unexpected text at requirements.in:2:1", 7),
        ("error: Couldn't parse requirement in `setup.txt` at position 5", None),
        ("error: no solution", None),
    ],
)
def test_line_that_the_installer_rejects_is_located(output: str, number: int | None) -> None:
    lines = [parse_line(text, FILE, i, constraint=False) for i, text in ((3, "web"), (7, "api"))]
    error = locate_rejected(ConvergeError("failed", output=output), {"requirements.in": lines})
    assert error.message.startswith(f"`{FILE}` line {number}: " if number else "failed")


ACCEPTED = [
    "git+ssh://git@h:22/team/x.git",
    "web",
    "web==1 --hash=sha256:ab",
    "--pre",
    "--require-hashes",
    "-i https://example.org",
    "--no-binary :all:",
    "--use-feature=x",
    "--pre --no-index --find-links wheels --prefer-binary --trusted-host example.org:8443",
    "file:///srv/project",
    "web; python_version > '3'",
    "https://example.org/${lower}",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_line_error_accepts_supported_lines(text: str) -> None:
    """A supported line has no error."""
    assert line_error(_line(text)) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.org", True),
        ("FILE:///srv", True),
        ("git+ssh://host/x", True),
        ("file:x", False),
        ("/srv", False),
        ("a://b", True),
        ("", False),
    ],
)
def test_is_url(text: str, expected: bool) -> None:
    """A URL has a scheme and an authority."""
    assert is_url(text) is expected


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:///srv/web", "/srv/web"),
        ("file://localhost/srv/web", "/srv/web"),
        ("file:///srv/../etc/web#egg=x", "/etc/web"),
        ("file:///srv/a%23b", "/srv/a#b"),
        ("https://example.org/web", None),
        ("", None),
    ],
)
def test_local_path(url: str, path: str | None) -> None:
    """The path is decoded and normal, without a fragment."""
    assert local_path(url) == path


def test_strip_file_scheme_strips_only_a_scheme_without_host() -> None:
    """`file:x` is a relative path, `file:///x` a URL."""
    assert [strip_file_scheme(text) for text in ("file:x", "x", "file:///x", "https://x")] == [
        "x",
        "x",
        "file:///x",
        "https://x",
    ]


def test_to_file_url_quotes_path_and_keeps_fragment() -> None:
    """A URL stays as it is."""
    url = to_file_url("a b#egg=web", lambda path: f"/srv/{path}")
    assert url == "file:///srv/a%20b#egg=web"
    assert to_file_url("https://x/y#z", lambda path: path) == "https://x/y#z"


PINS = {
    "web==1.0": {"web"},
    "Web_App===1.0": {"web-app"},
    "web==1.*": set(),
    "web>=1": set(),
    "web": set(),
    "web @ https://example.org/web.whl": {"web"},
    "web==1; python_version < '3'": set(),
    "--pre": set(),
}


@pytest.mark.parametrize(("text", "names"), PINS.items())
def test_exact_requirements_of_line(text: str, names: set[str]) -> None:
    """An exact version or a URL counts if its marker applies."""
    assert exact_requirements([_line(text)], [ENVIRONMENT]) == names


def test_exact_requirements_ignore_constraints() -> None:
    """A constraint doesn't ask for a package."""
    assert exact_requirements([_line("web==1", constraint=True)], [ENVIRONMENT]) == set()


def test_required_names_are_normalized() -> None:
    """Names are compared as PEP 503 does."""
    assert required_names(declared_lines(["Web_App==1", "api[tls]>=2", "--pre"])) == {
        "web-app",
        "api",
    }


def test_drop_packages_keeps_options_and_other_packages() -> None:
    """Names are compared in normal form."""
    lines = [_line(text) for text in ("Web_App==1", "api", "--pre", "/srv/project")]
    assert drop_packages(lines, {"web-app"}) == lines[1:]
