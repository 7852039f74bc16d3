"""Constraints, overrides, and requirement files in the formats of pip and OpenStack."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.host import Host
from tests.support.command import changes
from tests.support.index import Index
from tests.support.wheels import make_sdist, make_wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of wheels: `service` requires `library`, in three versions each."""
    directory = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0", "3.0"):
        make_wheel(directory, "service", version, requires=["library", "old; python_version<'3'"])
        make_wheel(directory, "library", version)
    make_wheel(directory, "other", "1.0")
    return directory


@pytest.fixture
def service_host(host: Host, wheels: Path) -> Host:
    """Return a host whose `wheels` directory is the shared one."""
    host.wheels.symlink_to(wheels)
    return host


def installed(host: Host, **keys: Any) -> dict[str, str]:
    """Plan a service with these keys, and return the versions by package name."""
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


def test_identity_pins_limit_versions(service_host: Host) -> None:
    service_host.write("library===1.0\nother===1.0\n", "upper.txt")

    assert installed(service_host, constraints=["upper.txt"]) == {
        "service": "3.0",
        "library": "1.0",
    }


def test_exact_requirement_overrides_its_own_constraint(
    service_host: Host,
) -> None:
    service_host.write("service===1.0\nlibrary===2.0\n", "upper.txt")
    keys: dict[str, Any] = {"constraints": ["upper.txt"], "packages": ["service==3.0"]}

    assert installed(service_host, **keys) == {"service": "3.0", "library": "2.0"}


def test_constraint_applies_to_an_unversioned_requirement(service_host: Host) -> None:
    service_host.write("service===1.0\n", "upper.txt")

    assert installed(service_host, constraints=["upper.txt"])["service"] == "1.0"


def test_constraint_with_the_matching_marker_applies(service_host: Host) -> None:
    service_host.write(
        "library===1.0;python_version<'3'\nlibrary===2.0;python_version>='3'\n", "upper.txt"
    )

    assert installed(service_host, constraints=["upper.txt"])["library"] == "2.0"


def test_requirement_with_a_false_marker_keeps_the_constraint(service_host: Host) -> None:
    service_host.write("library===1.0\n", "upper.txt")
    packages = ["service", "library==2.0; python_version<'3'"]

    assert installed(service_host, packages=packages, constraints=["upper.txt"])["library"] == "1.0"


def test_requirement_file_may_start_with_a_byte_order_mark(service_host: Host) -> None:
    service_host.write("\ufefflibrary==1.0\n", "requirements.txt")

    assert installed(service_host, packages=[], requirements=["requirements.txt"]) == {
        "library": "1.0"
    }


def test_requirement_file_not_in_utf_8_is_an_error_with_line(service_host: Host) -> None:
    (service_host.directory / "requirements.txt").write_bytes(b"library\n# caf\xe9\n")
    service_host.declare([], requirements=["requirements.txt"])

    refused = service_host.plan()

    assert refused.code == 65
    assert f"`{service_host.directory}/requirements.txt` line 2 isn't UTF-8" in refused.err


def test_relative_path_is_resolved_from_its_requirement_file(service_host: Host) -> None:
    service_host.directory = service_host.directory / "with space"
    service_host.write("-r nested/more.txt\n", "requirements.txt")
    lines = [
        "./first-1.0-py3-none-any.whl ; python_version>'3'",
        "second @ second-1.0-py3-none-any.whl",
    ]
    service_host.write(
        "\n".join([*lines, "--find-links=links", "third", "-f ../links"]), "nested/more.txt"
    )
    for name, directory in (("first", "nested"), ("second", "nested"), ("third", "nested/links")):
        make_wheel(service_host.directory / directory, name, "1.0")
    service_host.declare([], requirements=["requirements.txt"], find_links=[])
    (service_host.directory / "links").mkdir()

    service_host.assert_converges()
    assert service_host.versions() == {"first": "1.0", "second": "1.0", "third": "1.0"}

    make_wheel(service_host.directory / "nested", "first", "1.0", files={"first/more.py": ""})
    assert "package.first" in changes(service_host.plan().first)


def test_missing_local_path_in_a_file_is_an_error_with_line(service_host: Host) -> None:
    service_host.write("./none-1.0-py3-none-any.whl\n", "nested/requirements.txt")
    service_host.declare([], requirements=["nested/requirements.txt"])

    refused = service_host.plan()

    assert refused.code == 65
    (problem,) = refused.report["problems"]
    where = f"`{service_host.directory}/nested/requirements.txt` line 1"
    assert problem["message"].startswith(
        f"{where}: no such file or project: `{service_host.directory}/nested/"
    )
    assert 'requirements = ["nested/requirements.txt"]' in refused.err


def test_missing_local_path_is_marked_in_the_declaration(service_host: Host) -> None:
    service_host.declare(["", "beta", "none @ ./none"], overrides=["gone @ ./gone"])

    refused = service_host.plan()

    problems = [(item["line"], item["message"]) for item in refused.report["problems"]]
    rows = (service_host.directory / "converge.toml").read_text().splitlines()
    assert [(rows[line - 1].split()[0], message) for line, message in problems] == [
        ("packages", f"no such file or project: `{service_host.directory}/none`"),
        ("overrides", f"no such file or project: `{service_host.directory}/gone`"),
    ]
    assert ["^" * len('"none @ ./none"'), "^" * len('"gone @ ./gone"')] == [
        row.split()[-1] for row in refused.err.splitlines() if row.endswith("^")
    ]


@pytest.mark.parametrize(
    ("first", "version"),
    [("--pre", "2.0rc1"), ("--no-index --pre", "2.0rc1"), ("# none", "1.0")],
)
def test_requirement_file_may_allow_pre_releases(
    host_with_wheels: Host, first: str, version: str
) -> None:
    for release in ("1.0", "2.0rc1"):
        make_wheel(host_with_wheels.wheels, "early", release)
    host_with_wheels.write(f"{first}\nearly\n", "requirements.txt")
    host_with_wheels.declare(requirements=["requirements.txt"])

    host_with_wheels.assert_converges()

    assert host_with_wheels.versions()["early"] == version


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("--no-deps", "--no-deps"),
        ("--no-index --no-deps", "--no-deps"),
        ("--index-strategy=first-index", "--index-strategy"),
        ("--config-settings=a=b", "--config-settings"),
        ("./library-1.0.tar.gz --global-option x", "--global-option"),
        ("library --hash=sha256:00 --pre", "--pre"),
    ],
)
def test_unsupported_option_is_an_error_with_line(
    service_host: Host, line: str, option: str
) -> None:
    make_sdist(service_host.directory, "library", "1.0")
    service_host.write(f"other\n{line}\n", "requirements.txt")
    service_host.declare([], requirements=["requirements.txt"])

    refused = service_host.plan()

    assert refused.code == 65
    (problem,) = refused.report["problems"]
    assert problem["message"].startswith(
        f"`{service_host.directory}/requirements.txt` line 2: unsupported option `{option}`"
    )


@pytest.mark.parametrize(
    "line",
    [
        "--trusted-host 127.0.0.1 -i {url}",
        "-i{url} --trusted-host 127.0.0.1",
        "--pre --index \\\n  {url}",
        "--no-index -f 'two words'",
    ],
)
def test_index_among_several_options_is_used(host: Host, index: Index, line: str) -> None:
    """A private package must never come from the default index, in a build either."""
    make_sdist(index.directory, "private", "9.0", build_requires=["private-builder"])
    make_wheel(index.directory, "private-builder", "9.0")
    (host.directory / "two words").symlink_to(index.directory)
    host.write(f"{line.format(url=index.url)}\nprivate\n", "requirements.txt")
    host.declare([], requirements=["requirements.txt"], find_links=[], no_index=False)

    host.apply_ok()

    assert host.versions() == {"private": "9.0"}


def test_two_different_indexes_in_files_are_an_error(host: Host) -> None:
    """pip lets the last file win."""
    host.write("--index-url https://a.example/simple\nsix\n", "one.txt")
    host.write("--pre -i https://a.example/simple/\n\n-i https://b.example\n", "two.txt")
    host.declare([], requirements=["one.txt", "two.txt"], find_links=[], no_index=False)

    refused = host.plan()

    assert refused.code == 65
    assert [problem["message"] for problem in refused.report["problems"]] == [
        f"`{host.directory}/two.txt` line 3: `--index-url` differs from "
        f"`{host.directory}/two.txt` line 1"
    ]


def test_requirement_files_may_be_nested(service_host: Host) -> None:
    service_host.write("-r nested/more.txt\n", "requirements.txt")
    service_host.write("-c ../bounds.txt\nother # for the tests\nlib\\\nrary\n", "nested/more.txt")
    service_host.write("library<2\n", "bounds.txt")

    versions = installed(service_host, packages=[], requirements=["requirements.txt"])

    assert versions == {"other": "1.0", "library": "1.0"}


def test_edited_nested_file_is_an_update(service_host: Host) -> None:
    service_host.write("-r nested/more.txt\n", "requirements.txt")
    service_host.write("library<2\n", "nested/more.txt")
    service_host.declare([], requirements=["requirements.txt"])
    service_host.apply_ok()
    service_host.write("library<3\nother\n", "nested/more.txt")

    assert changes(service_host.assert_converges())["package.other"] == (None, "1.0")


def test_comment_added_to_a_file_changes_nothing(service_host: Host) -> None:
    service_host.write("library<2\n", "requirements.txt")
    service_host.declare([], requirements=["requirements.txt"])
    service_host.apply_ok()
    service_host.write("# by hand\nlibrary<2  # old\n\n", "requirements.txt")

    assert not service_host.plan().report["changed"]


def test_override_wins_over_contradicting_constraints(service_host: Host) -> None:
    service_host.write("library===1.0\n", "upper.txt")
    keys = {"packages": ["service", "library>=2"], "constraints": ["upper.txt"]}
    service_host.declare(keys["packages"], constraints=keys["constraints"])
    refused = service_host.plan()
    assert refused.code == 1
    assert "no version of `library` satisfies both" in refused.first["error"]["message"]

    assert installed(service_host, **keys, overrides=["library==2.0"])["library"] == "2.0"


def test_build_constraints_limit_build_tools(host: Host) -> None:
    make_sdist(host.wheels, "source", "1.0", build_requires=["builder"])
    make_wheel(host.wheels, "builder", "1.0")
    # The build fails if uv selects this version.
    make_wheel(host.wheels, "builder", "2.0", requires=["no-such-thing"])
    host.write("builder<2\n", "build.txt")
    host.declare(["source"], build_constraints=["build.txt"])

    host.assert_converges()

    assert host.versions() == {"source": "1.0"}


@pytest.fixture
def server(host: Host) -> Iterator[tuple[str, list[str]]]:
    """Yield the URL of a served directory, and the list of requested paths."""
    (host.directory / "public").mkdir()
    requested: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_request(self, code: object = "-", size: object = "-") -> None:
            requested.append(self.path)

        def translate_path(self, path: str) -> str:
            return super().translate_path(path.replace("cut-short/", ""))

        def send_header(self, keyword: str, value: str) -> None:
            is_cut_short = keyword == "Content-Length" and "cut-short" in self.path
            super().send_header(keyword, str(int(value) + 9) if is_cut_short else value)

    handler = functools.partial(Handler, directory=str(host.directory / "public"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}", requested
        httpd.shutdown()


def test_constraints_url_is_fetched_once(service_host: Host, server: tuple[str, list[str]]) -> None:
    url, requested = server
    service_host.write("-c more.txt\n", "public/upper.txt")
    service_host.write("library===2.0\n", "public/more.txt")
    service_host.declare(["service"], constraints=[f"{url}/upper.txt"])
    service_host.apply_ok()
    assert requested[:2] == ["/upper.txt", "/more.txt"]
    requested.clear()

    service_host.assert_no_changes()

    assert requested == []
    assert service_host.versions()["library"] == "2.0"


@pytest.mark.parametrize(
    ("variables", "uses_proxy"),
    [
        ({"all_proxy": "{url}"}, True),
        ({"ALL_PROXY": "{url}"}, True),
        ({"all_proxy": "http://127.0.0.1:1", "http_proxy": "{url}"}, True),
        ({"all_proxy": "{url}", "no_proxy": "elsewhere.invalid"}, False),
    ],
)
def test_constraints_url_uses_the_same_proxy_as_uv(
    service_host: Host, server: tuple[str, list[str]], variables: dict[str, str], uses_proxy: bool
) -> None:
    url, requested = server
    service_host.write("library==2.0\n", "public/http:/elsewhere.invalid/upper.txt")
    service_host.declare(["service"], constraints=["http://elsewhere.invalid/upper.txt"])

    planned = service_host.plan(
        env={name: value.format(url=url) for name, value in variables.items()}
    )

    assert planned.code == (0 if uses_proxy else 69), planned.out + planned.err
    assert requested == (["http://elsewhere.invalid/upper.txt"] if uses_proxy else [])


def test_missing_constraints_url_is_unavailable(
    service_host: Host, server: tuple[str, list[str]]
) -> None:
    url, _ = server
    service_host.declare(["service"], constraints=[f"{url}/nothing.txt"])

    failed = service_host.apply()

    assert failed.code == 69
    assert f"can't fetch `{url}/nothing.txt`: 404" in failed.first["error"]["message"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"\n<!DOCTYPE html><title>Log in</title>",
            " line 2: invalid requirement `<!DOCTYPE html>",
        ),
        (b"library\n-e .\n", " line 2: editable installs"),
        (b"library @ ${HERE}/x\n", " line 1: environment variables aren't expanded: `${HERE}`"),
        (b"caf\xe9", ": line 1 isn't UTF-8"),
        (None, ": IncompleteRead"),
    ],
)
def test_invalid_response_from_a_constraints_url_is_an_error(
    service_host: Host, server: tuple[str, list[str]], content: bytes | None, message: str
) -> None:
    url, _ = server
    (service_host.directory / "public/upper.txt").write_bytes(content or b"library\n")
    path = "upper.txt" if content else "cut-short/upper.txt"
    service_host.declare(["service"], constraints=[f"{url}/{path}"])

    failed = service_host.apply()

    assert failed.code == 69, failed.err
    assert f"`{url}/{path}`{message}" in failed.first["error"]["message"]
    assert "Traceback" not in failed.err


def test_line_moved_from_build_constraints_is_an_update(service_host: Host) -> None:
    service_host.write("other<9\n", "upper.txt")
    service_host.write("library<2\n", "build.txt")
    keys: dict[str, Any] = {"constraints": ["upper.txt"], "build_constraints": ["build.txt"]}
    service_host.declare(["service"], **keys)
    service_host.apply_ok()
    assert service_host.versions()["library"] == "3.0"
    service_host.write("other<9\nlibrary<2\n", "upper.txt")
    service_host.write("", "build.txt")

    service_host.assert_converges()

    assert service_host.versions()["library"] == "1.0"
