"""Constraints, overrides and requirement files, as OpenStack and pip write them."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.host import Host, changes
from tests.support.wheels import make_sdist, make_wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0", "3.0"):
        make_wheel(folder, "service", version, requires=["library", "old; python_version<'3'"])
        make_wheel(folder, "library", version)
    make_wheel(folder, "other", "1.0")
    return folder


@pytest.fixture
def site(host: Host, wheels: Path) -> Host:
    """A host that declares relative to that folder."""
    host.wheels.symlink_to(wheels)
    return host


def installed(host: Host, **keys: object) -> dict[str, str]:
    """Converge a service under what is asked; return what came."""
    packages = keys.pop("packages", ["service"])
    assert isinstance(packages, list)
    host.declare(packages, **keys)
    planned = host.plan()
    assert planned.code == 0, planned.err
    return {
        name.removeprefix("package."): str(after)
        for name, (_, after) in changes(planned.first).items()
        if name.startswith("package.")
    }


def test_identity_pins_bound_versions(site: Host) -> None:
    site.write("library===1.0\nother===1.0\n", "upper.txt")

    assert installed(site, constraints=["upper.txt"]) == {"service": "3.0", "library": "1.0"}


def test_the_pin_of_the_service_itself_is_left_out_where_it_is_asked_for_exactly(
    site: Host,
) -> None:
    site.write("service===1.0\nlibrary===2.0\n", "upper.txt")
    keys = {"constraints": ["upper.txt"], "packages": ["service==3.0"]}

    assert installed(site, **keys) == {"service": "3.0", "library": "2.0"}


def test_the_pin_of_the_service_itself_counts_where_no_version_is_asked_for(site: Host) -> None:
    site.write("service===1.0\n", "upper.txt")

    assert installed(site, constraints=["upper.txt"])["service"] == "1.0"


def test_a_name_twice_under_different_markers_is_the_one_that_holds(site: Host) -> None:
    site.write("library===1.0;python_version<'3'\nlibrary===2.0;python_version>='3'\n", "upper.txt")

    assert installed(site, constraints=["upper.txt"])["library"] == "2.0"


def test_a_pin_that_does_not_hold_here_leaves_the_bound(site: Host) -> None:
    site.write("library===1.0\n", "upper.txt")
    asked = ["service", "library==2.0; python_version<'3'"]

    assert installed(site, packages=asked, constraints=["upper.txt"])["library"] == "1.0"


def test_a_requirement_file_may_begin_with_a_byte_order_mark(site: Host) -> None:
    site.write("\ufefflibrary==1.0\n", "asked.txt")

    assert installed(site, packages=[], requirements=["asked.txt"]) == {"library": "1.0"}


def test_a_requirement_file_of_another_encoding_is_told_with_its_line(site: Host) -> None:
    (site.folder / "asked.txt").write_bytes(b"library\n# caf\xe9\n")
    site.declare([], requirements=["asked.txt"])

    refused = site.plan()

    assert refused.code == 65
    assert f"`{site.folder}/asked.txt` line 2 is not UTF-8" in refused.err


def test_relative_paths_in_a_file_are_relative_to_it(site: Host) -> None:
    site.folder = site.folder / "a folder"
    site.write("-r deep/more.txt\n", "asked.txt")
    lines = ["./one-1.0-py3-none-any.whl ; python_version>'3'", "two @ two-1.0-py3-none-any.whl"]
    site.write("\n".join([*lines, "--find-links=links", "three", "-f ../links"]), "deep/more.txt")
    for name, place in (("one", "deep"), ("two", "deep"), ("three", "deep/links")):
        make_wheel(site.folder / place, name, "1.0")
    site.declare([], requirements=["asked.txt"], find_links=[])
    (site.folder / "links").mkdir()

    site.converges()
    assert site.versions() == {"one": "1.0", "two": "1.0", "three": "1.0"}

    make_wheel(site.folder / "deep", "one", "1.0", files={"one/more.py": ""})
    assert "package.one" in changes(site.plan().first)


def test_a_local_path_that_a_file_names_must_be_there(site: Host) -> None:
    site.write("./none-1.0-py3-none-any.whl\n", "deep/asked.txt")
    site.declare([], requirements=["deep/asked.txt"])

    refused = site.plan()

    assert refused.code == 65
    (problem,) = refused.report["problems"]
    where = f"`{site.folder}/deep/asked.txt` line 1"
    assert problem["message"].startswith(f"{where}: no such project or file: `{site.folder}/deep/")
    assert 'requirements = ["deep/asked.txt"]' in refused.err


def test_a_local_path_that_is_not_there_is_told_where_it_stands(site: Host) -> None:
    site.declare(["", "beta", "none @ ./none"], overrides=["gone @ ./gone"])

    refused = site.plan()

    told = [(one["line"], one["message"]) for one in refused.report["problems"]]
    rows = (site.folder / "converge.toml").read_text().splitlines()
    assert [(rows[line - 1].split()[0], message) for line, message in told] == [
        ("packages", f"no such project or file: `{site.folder}/none`"),
        ("overrides", f"no such project or file: `{site.folder}/gone`"),
    ]
    assert ["^" * len('"none @ ./none"'), "^" * len('"gone @ ./gone"')] == [
        row.split()[-1] for row in refused.err.splitlines() if row.endswith("^")
    ]


@pytest.mark.parametrize(
    ("first", "version"),
    [("--pre", "2.0rc1"), ("--no-index --pre", "2.0rc1"), ("# none", "1.0")],
)
def test_a_file_may_ask_for_pre_releases(stocked: Host, first: str, version: str) -> None:
    for one in ("1.0", "2.0rc1"):
        make_wheel(stocked.wheels, "early", one)
    stocked.write(f"{first}\nearly\n", "asked.txt")
    stocked.declare(requirements=["asked.txt"])

    stocked.converges()

    assert stocked.versions()["early"] == version


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("--no-deps", "--no-deps"),
        ("--no-index --no-deps", "--no-deps"),
        ("-ihttps://example.org/simple", "-ihttps://example.org/simple"),
        ("library==1.0 --config-settings=a=b", "--config-settings"),
        ("./library-1.0.tar.gz --global-option x", "--global-option"),
        ("library --hash=sha256:00 --pre", "--pre"),
    ],
)
def test_an_option_that_no_installer_reads_is_told_where_it_stands(
    site: Host, line: str, option: str
) -> None:
    make_sdist(site.folder, "library", "1.0")
    site.write(f"other\n{line}\n", "asked.txt")
    site.declare([], requirements=["asked.txt"])

    refused = site.plan()

    assert refused.code == 65
    (problem,) = refused.report["problems"]
    assert problem["message"].startswith(
        f"`{site.folder}/asked.txt` line 2: `{option}` is no option"
    )


def test_requirement_files_nest(site: Host) -> None:
    site.write("-r deep/more.txt\n", "asked.txt")
    site.write("-c ../bounds.txt\nother # for the tests\nlib\\\nrary\n", "deep/more.txt")
    site.write("library<2\n", "bounds.txt")

    found = installed(site, packages=[], requirements=["asked.txt"])

    assert found == {"other": "1.0", "library": "1.0"}


def test_an_edit_of_a_nested_file_is_noticed(site: Host) -> None:
    site.write("-r deep/more.txt\n", "asked.txt")
    site.write("library<2\n", "deep/more.txt")
    site.declare([], requirements=["asked.txt"])
    site.applied()
    site.write("library<3\nother\n", "deep/more.txt")

    assert changes(site.converges())["package.other"] == (None, "1.0")


def test_a_comment_added_to_a_file_changes_nothing(site: Host) -> None:
    site.write("library<2\n", "asked.txt")
    site.declare([], requirements=["asked.txt"])
    site.applied()
    site.write("# by hand\nlibrary<2  # old\n\n", "asked.txt")

    assert not site.plan().report["changed"]


def test_an_override_wins_over_what_contradicts_it(site: Host) -> None:
    site.write("library===1.0\n", "upper.txt")
    keys = {"packages": ["service", "library>=2"], "constraints": ["upper.txt"]}
    site.declare(keys["packages"], constraints=keys["constraints"])
    refused = site.plan()
    assert refused.code == 1
    assert "no set of versions" in refused.first["error"]["message"]

    assert installed(site, **keys, overrides=["library==2.0"])["library"] == "2.0"


def test_build_constraints_bound_what_builds(host: Host) -> None:
    make_sdist(host.wheels, "source", "1.0", build_requires=["builder"])
    make_wheel(host.wheels, "builder", "1.0")
    # What a wrong choice runs into.
    make_wheel(host.wheels, "builder", "2.0", requires=["no-such-thing"])
    host.write("builder<2\n", "build.txt")
    host.declare(["source"], build_constraints=["build.txt"])

    host.converges()

    assert host.versions() == {"source": "1.0"}


@pytest.fixture
def page(host: Host) -> Iterator[tuple[str, list[str]]]:
    """A folder behind a URL, and the paths that were asked for."""
    (host.folder / "public").mkdir()
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code: object = "-", size: object = "-") -> None:
            asked.append(self.path)

        def translate_path(self, path: str) -> str:
            return super().translate_path(path.replace("cut-short/", ""))

        def send_header(self, keyword: str, value: str) -> None:
            more = keyword == "Content-Length" and "cut-short" in self.path
            super().send_header(keyword, str(int(value) + 9) if more else value)

    handler = functools.partial(Handler, directory=str(host.folder / "public"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()


def test_constraints_behind_a_url_are_fetched_once(site: Host, page: tuple[str, list[str]]) -> None:
    url, asked = page
    site.write("-c more.txt\n", "public/upper.txt")
    site.write("library===2.0\n", "public/more.txt")
    site.declare(["service"], constraints=[f"{url}/upper.txt"])
    site.applied()
    assert asked[:2] == ["/upper.txt", "/more.txt"]
    asked.clear()

    site.settled()

    assert asked == []
    assert site.versions()["library"] == "2.0"


@pytest.mark.parametrize(
    ("variables", "used"),
    [
        ({"all_proxy": "{page}"}, True),
        ({"ALL_PROXY": "{page}"}, True),
        ({"all_proxy": "http://127.0.0.1:1", "http_proxy": "{page}"}, True),
        ({"all_proxy": "{page}", "no_proxy": "elsewhere.invalid"}, False),
    ],
)
def test_constraints_behind_a_url_are_fetched_by_the_proxy_that_the_installer_goes_by(
    site: Host, page: tuple[str, list[str]], variables: dict[str, str], used: bool
) -> None:
    url, asked = page
    site.write("library==2.0\n", "public/http:/elsewhere.invalid/upper.txt")
    site.declare(["service"], constraints=["http://elsewhere.invalid/upper.txt"])

    planned = site.plan(env={name: value.format(page=url) for name, value in variables.items()})

    assert planned.code == (0 if used else 69), planned.out + planned.err
    assert asked == (["http://elsewhere.invalid/upper.txt"] if used else [])


def test_constraints_behind_a_url_that_is_gone_are_a_clear_failure(
    site: Host, page: tuple[str, list[str]]
) -> None:
    url, _ = page
    site.declare(["service"], constraints=[f"{url}/nothing.txt"])

    failed = site.apply()

    assert failed.code == 69
    assert f"`{url}/nothing.txt` cannot be had: 404" in failed.first["error"]["message"]


@pytest.mark.parametrize(
    ("served", "words"),
    [
        (b"\n<!DOCTYPE html><title>Log in</title>", "line 2: `<!DOCTYPE html>"),
        (b"library\n-e .\n", "line 2: an editable install"),
        (b"library @ ${HERE}/x\n", "line 1: `${HERE}` stands for nothing"),
        (b"caf\xe9", "cannot be had: line 1 is not UTF-8"),
        (None, "cannot be had: IncompleteRead"),
    ],
)
def test_an_answer_that_is_no_list_of_requirements_is_a_clear_failure(
    site: Host, page: tuple[str, list[str]], served: bytes | None, words: str
) -> None:
    url, _ = page
    (site.folder / "public/upper.txt").write_bytes(served or b"library\n")
    place = "upper.txt" if served else "cut-short/upper.txt"
    site.declare(["service"], constraints=[f"{url}/{place}"])

    failed = site.apply()

    assert failed.code == 69, failed.err
    assert f"`{url}/{place}` {words}" in failed.first["error"]["message"]
    assert "Traceback" not in failed.err


def test_a_line_that_moves_from_what_builds_to_what_is_installed_counts_there(site: Host) -> None:
    site.write("other<9\n", "upper.txt")
    site.write("library<2\n", "build.txt")
    keys = {"constraints": ["upper.txt"], "build_constraints": ["build.txt"]}
    site.declare(["service"], **keys)
    site.applied()
    assert site.versions()["library"] == "3.0"
    site.write("other<9\nlibrary<2\n", "upper.txt")
    site.write("", "build.txt")

    site.converges()

    assert site.versions()["library"] == "1.0"
