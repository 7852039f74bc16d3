"""Hashes in a requirement file are kept to, as pip keeps to them."""

from __future__ import annotations

import hashlib

import pytest

from tests.integration.host import Host
from tests.support.wheels import make_project, make_sdist

NOTHING = "0" * 64


def digest(host: Host, wheel: str) -> str:
    """Return the SHA-256 of a wheel, by the beginning of its name."""
    (file,) = host.wheels.glob(f"{wheel}-*.whl")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def require(host: Host, text: str) -> None:
    host.write(text, "requirements.txt")
    host.declare(requirements=["requirements.txt"])


def test_a_file_with_an_allowed_hash_is_installed(stocked: Host) -> None:
    known = digest(stocked, "beta-2.0")
    require(stocked, f"beta==2.0 \\\n    --hash=sha256:{NOTHING} \\\n    --hash=sha256:{known}\n")

    stocked.converges()

    assert stocked.python_says("import beta; print(beta.__version__)") == "2.0"


@pytest.mark.parametrize("verb", ["plan", "apply", "lock"])
def test_one_with_another_hash_is_not(stocked: Host, verb: str) -> None:
    require(stocked, f"beta==2.0 --hash=sha256:{NOTHING}\n")

    refused = stocked.run(verb, "converge.toml")

    assert refused.code == 81
    assert "no file of beta 2.0 has a hash that is allowed" in refused.out + refused.err
    assert not stocked.venv.exists()


def test_a_hash_in_a_constraint_counts_too(stocked: Host) -> None:
    stocked.write(f"beta==2.0 --hash=sha256:{NOTHING}\n", "constraints.txt")
    stocked.declare(["beta"], constraints=["constraints.txt"])

    assert stocked.apply().first["error"]["code"] == 81


@pytest.mark.parametrize("options", ["--require-hashes", "--no-index --require-hashes"])
def test_all_hashes_may_be_required(stocked: Host, options: str) -> None:
    known = digest(stocked, "alpha-1.1")
    require(stocked, f"{options}\nalpha==1.1 --hash=sha256:{known}\n")

    refused = stocked.apply()

    assert refused.first["error"]["code"] == 81
    assert "no hash is given for beta" in refused.first["error"]["message"]


def test_a_hash_that_cannot_be_checked_is_told(stocked: Host) -> None:
    require(stocked, f"beta==2.0 --hash=sha512:{NOTHING}{NOTHING}\n")

    assert "only SHA-256" in stocked.plan().first["error"]["message"]


@pytest.mark.parametrize(
    "given",
    [
        "--hash=sha256:{}",
        "--hash sha256:{}",
        "--hash=SHA256:{}",
        '--hash="sha256:{}"',
        "--hash='sha256:{}'",
    ],
)
def test_a_hash_counts_however_it_is_written(stocked: Host, given: str) -> None:
    known = digest(stocked, "beta-2.0")
    require(stocked, f"beta==2.0 {given.format('A' * 64)}\n")
    assert stocked.plan().first["error"]["code"] == 81

    require(stocked, f"beta==2.0 {given.format(known.upper())}\n")
    stocked.converges()


@pytest.mark.parametrize("place", ["./wheels/{}", "file://{folder}/wheels/{}"])
def test_the_hash_of_a_wheel_that_is_named_by_its_place_counts(stocked: Host, place: str) -> None:
    wheel = place.format("beta-2.0-py3-none-any.whl", folder=stocked.folder)
    require(stocked, f"{wheel} --hash=sha256:{NOTHING}\n")
    assert stocked.plan().first["error"]["code"] == 81

    known = digest(stocked, "beta-2.0")
    require(stocked, f"--require-hashes\n{wheel} --hash=sha256:{known}\n")
    stocked.converges()


@pytest.mark.parametrize("key", ["packages", "overrides", "requirements"])
def test_the_hash_in_a_url_counts(stocked: Host, key: str) -> None:
    def declare(known: str) -> None:
        line = f"beta @ file://{stocked.wheels}/beta-2.0-py3-none-any.whl#sha256={known}"
        stocked.write(f"{line}\n", "requirements.txt")
        line = "requirements.txt" if key == "requirements" else line
        stocked.declare(**{"packages": ["beta"], key: [line]})

    declare(NOTHING)
    assert stocked.plan().first["error"]["code"] == 81

    declare(digest(stocked, "beta-2.0"))
    stocked.converges()


def test_a_hash_whose_marker_does_not_hold_forbids_nothing(stocked: Host) -> None:
    require(
        stocked,
        f"beta==1.0 ; python_version < '3' --hash=sha256:{NOTHING}\n"
        "beta==2.0 ; python_version >= '3'\n",
    )

    stocked.converges()


def test_a_hash_of_nobody_knows_what_is_told(stocked: Host) -> None:
    make_sdist(stocked.folder, "tool", "1.0")
    require(stocked, f"./tool-1.0.tar.gz --hash=sha256:{NOTHING}\n")

    told = stocked.plan().first["error"]

    assert "which package this hash is of" in told["message"]
    assert "name @ URL" in told["hint"]


def test_a_folder_has_no_hash_to_be_checked(stocked: Host) -> None:
    make_project(stocked.folder, "tool", "1.0")
    require(stocked, f"tool @ ./tool --hash=sha256:{NOTHING}\n")

    assert stocked.plan().first["error"]["code"] == 81


@pytest.mark.parametrize("given", ["sha256", "sha256:", "sha256:none"])
def test_what_is_no_hash_is_told(stocked: Host, given: str) -> None:
    require(stocked, f"beta==2.0 --hash={given}\n")

    assert "only SHA-256" in stocked.plan().first["error"]["message"]


@pytest.mark.parametrize("verb", ["plan", "apply", "lock"])
def test_where_an_index_gives_only_a_weak_hash_a_folder_helps(stocked: Host, verb: str) -> None:
    (wheel,) = stocked.wheels.glob("beta-2.0-*.whl")
    weak = hashlib.md5(wheel.read_bytes(), usedforsecurity=False).hexdigest()
    page = f'<a href="{wheel.as_uri()}#md5={weak}">{wheel.name}</a>'
    stocked.write(page, "simple/beta/index.html")
    url = (stocked.folder / "simple").as_uri()
    stocked.declare(["beta"], find_links=[], no_index=False, index_url=url)

    refused = stocked.run(verb, "converge.toml")

    assert refused.code == 81
    assert "there is no SHA-256 for beta 2.0" in refused.out + refused.err
    assert not (stocked.folder / "app.pylock.toml").exists()
    stocked.declare(["beta"])
    assert stocked.run(verb, "converge.toml").code == 0
