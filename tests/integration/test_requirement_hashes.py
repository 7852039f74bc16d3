"""converge enforces hashes in requirement files, as pip does."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.integration.host import Host
from tests.support.wheels import make_project, make_sdist

OTHER_DIGEST = "0" * 64


def digest(host: Host, wheel: str) -> str:
    """Return the SHA-256 digest of the wheel whose name starts with `wheel`."""
    (file,) = host.wheels.glob(f"{wheel}-*.whl")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def require(host: Host, requirements: str) -> None:
    """Declare an environment with these lines as its requirement file."""
    host.write(requirements, "requirements.txt")
    host.declare(requirements=["requirements.txt"])


def test_file_with_an_allowed_hash_is_installed(host_with_wheels: Host) -> None:
    expected = digest(host_with_wheels, "beta-2.0")
    require(
        host_with_wheels,
        f"beta==2.0 \\\n    --hash=sha256:{OTHER_DIGEST} \\\n    --hash=sha256:{expected}\n",
    )

    host_with_wheels.assert_converges()

    assert host_with_wheels.run_python("import beta; print(beta.__version__)") == "2.0"


@pytest.mark.parametrize("command", ["plan", "apply", "lock"])
def test_file_with_another_hash_is_refused(host_with_wheels: Host, command: str) -> None:
    require(host_with_wheels, f"beta==2.0 --hash=sha256:{OTHER_DIGEST}\n")

    refused = host_with_wheels.run(command, "converge.toml")

    assert refused.code == 81
    assert "no file of beta 2.0 has an allowed hash" in refused.out + refused.err
    assert not host_with_wheels.venv.exists()


def test_hash_in_a_constraint_is_enforced(host_with_wheels: Host) -> None:
    host_with_wheels.write(f"beta==2.0 --hash=sha256:{OTHER_DIGEST}\n", "constraints.txt")
    host_with_wheels.declare(["beta"], constraints=["constraints.txt"])

    assert host_with_wheels.apply().first["error"]["code"] == 81


@pytest.mark.parametrize("options", ["--require-hashes", "--no-index --require-hashes"])
def test_require_hashes_refuses_a_package_without_a_hash(
    host_with_wheels: Host, options: str
) -> None:
    expected = digest(host_with_wheels, "alpha-1.1")
    require(host_with_wheels, f"{options}\nalpha==1.1 --hash=sha256:{expected}\n")

    refused = host_with_wheels.apply()

    assert refused.first["error"]["code"] == 81
    assert "no hash for beta" in refused.first["error"]["message"]


def test_unsupported_hash_algorithm_is_an_error(host_with_wheels: Host) -> None:
    require(host_with_wheels, f"beta==2.0 --hash=sha512:{OTHER_DIGEST}{OTHER_DIGEST}\n")

    assert "expected `--hash=sha256:…`" in host_with_wheels.plan().first["error"]["message"]


@pytest.mark.parametrize(
    "option",
    [
        "--hash=sha256:{}",
        "--hash sha256:{}",
        "--hash=SHA256:{}",
        '--hash="sha256:{}"',
        "--hash='sha256:{}'",
    ],
)
def test_hash_is_enforced_in_every_spelling(host_with_wheels: Host, option: str) -> None:
    expected = digest(host_with_wheels, "beta-2.0")
    require(host_with_wheels, f"beta==2.0 {option.format('A' * 64)}\n")
    assert host_with_wheels.plan().first["error"]["code"] == 81

    require(host_with_wheels, f"beta==2.0 {option.format(expected.upper())}\n")
    host_with_wheels.assert_converges()


@pytest.mark.parametrize("location", ["./wheels/{}", "file://{directory}/wheels/{}"])
def test_hash_of_a_local_wheel_is_enforced(host_with_wheels: Host, location: str) -> None:
    wheel = location.format("beta-2.0-py3-none-any.whl", directory=host_with_wheels.directory)
    require(host_with_wheels, f"{wheel} --hash=sha256:{OTHER_DIGEST}\n")
    assert host_with_wheels.plan().first["error"]["code"] == 81

    expected = digest(host_with_wheels, "beta-2.0")
    require(host_with_wheels, f"--require-hashes\n{wheel} --hash=sha256:{expected}\n")
    host_with_wheels.assert_converges()


@pytest.mark.parametrize("key", ["packages", "overrides", "requirements"])
def test_hash_in_a_url_is_enforced(host_with_wheels: Host, key: str) -> None:
    def declare(digest: str) -> None:
        line = f"beta @ file://{host_with_wheels.wheels}/beta-2.0-py3-none-any.whl#sha256={digest}"
        host_with_wheels.write(f"{line}\n", "requirements.txt")
        line = "requirements.txt" if key == "requirements" else line
        keys: dict[str, Any] = {"packages": ["beta"], key: [line]}
        host_with_wheels.declare(**keys)

    declare(OTHER_DIGEST)
    assert host_with_wheels.plan().first["error"]["code"] == 81

    declare(digest(host_with_wheels, "beta-2.0"))
    host_with_wheels.assert_converges()


def test_hash_with_a_false_marker_is_ignored(host_with_wheels: Host) -> None:
    require(
        host_with_wheels,
        f"beta==1.0 ; python_version < '3' --hash=sha256:{OTHER_DIGEST}\n"
        "beta==2.0 ; python_version >= '3'\n",
    )

    host_with_wheels.assert_converges()


def test_hash_of_an_unnamed_package_is_an_error(host_with_wheels: Host) -> None:
    make_sdist(host_with_wheels.directory, "tool", "1.0")
    require(host_with_wheels, f"./tool-1.0.tar.gz --hash=sha256:{OTHER_DIGEST}\n")

    error = host_with_wheels.plan().first["error"]

    assert "a hash without the name of a package" in error["message"]
    assert "name @ URL" in error["hint"]


def test_hash_of_a_directory_is_an_error(host_with_wheels: Host) -> None:
    make_project(host_with_wheels.directory, "tool", "1.0")
    require(host_with_wheels, f"tool @ ./tool --hash=sha256:{OTHER_DIGEST}\n")

    assert host_with_wheels.plan().first["error"]["code"] == 81


@pytest.mark.parametrize("option", ["sha256", "sha256:", "sha256:none"])
def test_invalid_hash_is_an_error(host_with_wheels: Host, option: str) -> None:
    require(host_with_wheels, f"beta==2.0 --hash={option}\n")

    assert "expected `--hash=sha256:…`" in host_with_wheels.plan().first["error"]["message"]


@pytest.mark.parametrize("command", ["plan", "apply", "lock"])
def test_weak_index_hash_is_refused_without_find_links(
    host_with_wheels: Host, command: str
) -> None:
    (wheel,) = host_with_wheels.wheels.glob("beta-2.0-*.whl")
    md5 = hashlib.md5(wheel.read_bytes(), usedforsecurity=False).hexdigest()
    page = f'<a href="{wheel.as_uri()}#md5={md5}">{wheel.name}</a>'
    host_with_wheels.write(page, "simple/beta/index.html")
    url = (host_with_wheels.directory / "simple").as_uri()
    host_with_wheels.declare(["beta"], find_links=[], no_index=False, index_url=url)

    refused = host_with_wheels.run(command, "converge.toml")

    assert refused.code == 81
    assert "no SHA-256 hash for beta 2.0" in refused.out + refused.err
    assert not (host_with_wheels.directory / "pylock.app.toml").exists()
    host_with_wheels.declare(["beta"])
    assert host_with_wheels.run(command, "converge.toml").code == 0
