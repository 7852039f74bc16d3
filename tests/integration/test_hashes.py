"""Hashes in a requirement file are kept to, as pip keeps to them."""

from __future__ import annotations

import hashlib

import pytest

from .host import Host

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


def test_all_hashes_may_be_required(stocked: Host) -> None:
    known = digest(stocked, "alpha-1.1")
    require(stocked, f"--require-hashes\nalpha==1.1 --hash=sha256:{known}\n")

    refused = stocked.apply()

    assert refused.first["error"]["code"] == 81
    assert "no hash is given for beta" in refused.first["error"]["message"]


def test_a_hash_that_cannot_be_checked_is_told(stocked: Host) -> None:
    require(stocked, f"beta==2.0 --hash=sha512:{NOTHING}{NOTHING}\n")

    assert "only SHA-256" in stocked.plan().first["error"]["message"]
