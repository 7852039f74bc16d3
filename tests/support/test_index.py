"""Real installers accept the index of the tests, and see its injected faults."""

from __future__ import annotations

import hashlib
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.index import Index
from tests.support.wheels import make_sdist, make_wheel

Install = Callable[..., Path]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    with Index(tmp_path / "files") as serving:
        yield serving


@pytest.fixture
def served(index: Index) -> dict[str, Path]:
    """Two releases of alpha, which requires beta. beta is a source distribution."""
    directory = index.directory
    return {
        "alpha-1": make_wheel(directory, "alpha", "1", requires=["beta"]),
        "alpha-2": make_wheel(directory, "alpha", "2", requires=["beta"], requires_python=">=3.8"),
        "beta-1": make_sdist(directory, "beta", "1"),
    }


def with_hashes(*pins: tuple[str, Path]) -> str:
    rows = [
        f"{pin} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for pin, path in pins
    ]
    return "\n".join(rows)


def installed(venv: Path) -> set[str]:
    site = next(venv.glob("lib/python*/site-packages"))
    return {path.name.removesuffix(".dist-info") for path in site.glob("*.dist-info")}


@pytest.mark.parametrize("tool", ["uv", "pip"])
@pytest.mark.parametrize("html_only", [False, True])
def test_index_serves_hash_checked_installs(
    index: Index,
    served: dict[str, Path],
    tool: str,
    html_only: bool,
    request: pytest.FixtureRequest,
) -> None:
    install: Install = request.getfixturevalue(f"install_with_{tool}")
    index.html_only = html_only
    pins = with_hashes(("alpha==2", served["alpha-2"]), ("beta==1", served["beta-1"]))
    venv = install(pins, "--require-hashes", "--index-url", index.url)
    assert installed(venv) == {"alpha-2", "beta-1"}
    assert {request.status for request in index.requests} == {200}
    assert "/files/alpha-2-py3-none-any.whl" in index.paths()


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_index_serves_metadata_before_wheels(
    index: Index, served: dict[str, Path], tool: str, request: pytest.FixtureRequest
) -> None:
    install: Install = request.getfixturevalue(f"install_with_{tool}")
    assert installed(install("alpha<2", "--index-url", index.url)) == {"alpha-1", "beta-1"}
    paths = index.paths()
    wheel = "/files/alpha-1-py3-none-any.whl"
    if tool == "uv":  # an older pip downloads the wheel without its metadata
        assert paths.index(f"{wheel}.metadata") < paths.index(wheel)
    assert "/simple/alpha/" in paths


def test_index_lists_a_new_release_at_once(index: Index, install_with_uv: Install) -> None:
    make_wheel(index.directory, "gamma", "1")
    assert installed(install_with_uv("gamma", "--index-url", index.url)) == {"gamma-1"}
    make_wheel(index.directory, "gamma", "2")
    assert installed(install_with_uv("gamma", "--index-url", index.url)) == {"gamma-2"}


def test_index_replaced_file_fails_the_hash_check(
    index: Index, tmp_path: Path, install_with_uv: Install
) -> None:
    wheel = make_wheel(index.directory, "gamma", "1")
    other = make_wheel(tmp_path, "gamma", "1", files={"evil.py": ""})
    index.replaced[wheel.name] = other.read_bytes()
    pins = with_hashes(("gamma==1", wheel))
    with pytest.raises(subprocess.CalledProcessError) as failure:
        install_with_uv(pins, "--require-hashes", "--index-url", index.url)
    assert "Hash mismatch" in failure.value.stderr


def test_index_yanked_release_is_skipped(index: Index, install_with_uv: Install) -> None:
    make_wheel(index.directory, "gamma", "1")
    index.yanked[make_wheel(index.directory, "gamma", "2").name] = "bad"
    assert installed(install_with_uv("gamma", "--index-url", index.url)) == {"gamma-1"}


def test_index_upload_times_work_with_exclude_newer(index: Index, install_with_uv: Install) -> None:
    make_wheel(index.directory, "gamma", "1")
    young = make_wheel(index.directory, "gamma", "2")
    index.uploaded[young.name] = "2025-01-01T00:00:00Z"
    options = ("--index-url", index.url, "--exclude-newer", "2024-01-01T00:00:00Z")
    assert installed(install_with_uv("gamma", *options)) == {"gamma-1"}


def test_index_requires_its_password(tmp_path: Path, install_with_uv: Install) -> None:
    make_wheel(tmp_path, "gamma", "1")
    with Index(tmp_path, auth=("me", "secret")) as index:
        with pytest.raises(subprocess.CalledProcessError):
            install_with_uv("gamma", "--index-url", index.url)
        assert {request.status for request in index.requests} == {401}
        venv = install_with_uv("gamma", "--index-url", index.url_with_password)
        assert installed(venv) == {"gamma-1"}
        assert all("secret" not in path for path in index.paths())


def test_index_keeps_its_url_after_an_outage(index: Index, install_with_uv: Install) -> None:
    make_wheel(index.directory, "gamma", "1")
    url = index.url
    index.down = True
    with pytest.raises(subprocess.CalledProcessError) as unavailable:
        install_with_uv("gamma", "--index-url", url)
    assert "503" in unavailable.value.stderr
    index.down = False
    index.close()
    with pytest.raises(subprocess.CalledProcessError) as refused:
        install_with_uv("gamma", "--index-url", url)
    assert "refused" in refused.value.stderr.lower()
    index.open()
    assert index.url == url
    assert installed(install_with_uv("gamma", "--index-url", url)) == {"gamma-1"}


def test_index_can_fail_for_a_single_path(index: Index, served: dict[str, Path]) -> None:
    index.statuses["/simple/alpha/"] = 500
    with pytest.raises(urllib.error.HTTPError) as failure:
        urllib.request.urlopen(f"{index.url}alpha/")
    assert failure.value.code == 500
    failure.value.close()
    with urllib.request.urlopen(f"{index.url}beta/") as page:
        assert served["beta-1"].name in page.read().decode()


def test_index_serves_json_on_request(index: Index, served: dict[str, Path]) -> None:
    kind = "application/vnd.pypi.simple.v1+json"
    request = urllib.request.Request(f"{index.url}alpha/", headers={"Accept": kind})
    with urllib.request.urlopen(request) as response:
        page = json.load(response)
        assert response.headers["Content-Type"] == kind
    assert page["versions"] == ["1", "2"]
    file = page["files"][1]
    digest = hashlib.sha256(served["alpha-2"].read_bytes()).hexdigest()
    assert file["hashes"] == {"sha256": digest}
    assert file["requires-python"] == ">=3.8"
    with urllib.request.urlopen(request.full_url.replace("/simple/alpha/", file["url"])) as wheel:
        assert hashlib.sha256(wheel.read()).hexdigest() == digest


def test_index_unknown_project_is_404(index: Index) -> None:
    with pytest.raises(urllib.error.HTTPError) as failure:
        urllib.request.urlopen(f"{index.url}nothing/")
    assert failure.value.code == 404
    failure.value.close()
