"""`who`, `why`, and `diff`: questions about installed packages, answered without a network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.host import Host
from tests.integration.snapshots import Snapshots
from tests.support.command import Completed
from tests.support.wheels import make_wheel


def declare(host: Host, beta: str) -> None:
    """Declare two environments, one of which requires a version of `beta` directly."""
    host.write(
        f'[defaults]\npython = "{host.python}"\nno-index = true\nfind-links = ["wheels"]\n'
        f'[venv.web]\npath = "venvs/web"\npackages = ["top", "{beta}"]\n'
        '[venv.jobs]\npath = "venvs/jobs"\nrequirements = ["jobs.txt"]\n'
    )
    host.write("# The jobs.\nbeta<2\n", "jobs.txt")


@pytest.fixture
def answering_host(snapshots: Snapshots) -> Host:
    """Return a host whose environment `web` had `beta` 1.0 before, and `jobs` still has it."""

    def prepare(host: Host) -> None:
        wheels = host.wheels
        wheels.mkdir()
        unused = "never ; python_version < '3'"
        make_wheel(wheels, "top", "1.0", requires=["alpha[net]>=1", unused])
        make_wheel(
            wheels, "alpha", "1.5", requires=["beta"], extras={"net": ["gamma>=2"], "db": ["never"]}
        )
        make_wheel(wheels, "gamma", "2.1", console_scripts={"gamma": "gamma:main"})
        make_wheel(wheels, "beta", "1.0", console_scripts={"beta": "beta:main"})
        make_wheel(wheels, "beta", "2.0", files={"beta/extra.py": "x = 1\n"})
        for beta in ("beta==1.0", "beta==2.0"):
            declare(host, beta)
            host.apply_ok()

    return snapshots.host("answers", prepare)


def answer(host: Host, *arguments: str) -> dict[str, Any]:
    """Return the JSON document of a command that succeeds."""
    done = host.run(*arguments, "--json")
    assert done.code == 0, done.err
    document: dict[str, Any] = json.loads(done.out)
    return document


def store(host: Host, name: str) -> Path:
    """Return the store of an environment."""
    return host.directory / f"venvs/.{name}"


def matches_of(document: dict[str, Any]) -> list[tuple[str, str, str, list[str]]]:
    """Return the environment, the package, the version, and the states of each match."""
    keys = ("address", "package", "version", "states")
    return [tuple(match[key] for key in keys) for match in document["matches"]]


def test_who_finds_live_and_previous_generations(answering_host: Host) -> None:
    document = answer(answering_host, "who", "Beta")

    assert matches_of(document) == [
        ("venv.jobs", "beta", "1.0", ["live"]),
        ("venv.web", "beta", "2.0", ["live"]),
        ("venv.web", "beta", "1.0", []),
    ]
    assert document["searched"] == {"venvs": 2, "generations": 3}
    assert [match["generation"][:6] for match in document["matches"]] == [
        "000001", "000002", "000001",
    ]  # fmt: skip


def test_who_finds_only_the_named_versions(answering_host: Host) -> None:
    assert matches_of(answer(answering_host, "who", "beta>1,<3", "gamma==1")) == [
        ("venv.web", "beta", "2.0", ["live"])
    ]
    text = answering_host.run("who", "beta>=3")
    assert (text.code, text.out) == (0, "Not found. Searched 3 generations of 2 venvs.\n")


def test_who_marks_a_held_generation(answering_host: Host) -> None:
    answering_host.run("rollback", "converge.toml", "web")
    assert ("venv.web", "beta", "1.0", ["live", "held"]) in matches_of(
        answer(answering_host, "who", "beta")
    )


def test_who_searches_the_metadata_behind_a_damaged_receipt(answering_host: Host) -> None:
    (receipt,) = store(answering_host, "jobs").glob("generations/*/.converge/receipt.json")
    receipt.write_text("damaged")

    assert ("venv.jobs", "beta", "1.0", ["live", "damaged"]) in matches_of(
        answer(answering_host, "who", "beta==1")
    )


def test_who_reports_an_unreadable_venv_and_searches_the_others(answering_host: Host) -> None:
    store(answering_host, "jobs").rename(answering_host.directory / "relocated")
    store(answering_host, "jobs").symlink_to(".jobs")

    done = answering_host.run("who", "beta", "--json")

    assert done.code != 0
    document = json.loads(done.out)
    assert list(document["errors"]) == [str(answering_host.directory / "venvs/jobs")]
    assert {match["address"] for match in document["matches"]} == {"venv.web"}


def test_who_searches_the_venvs_of_one_file(answering_host: Host) -> None:
    other = answering_host.write('[venv.other]\npath = "venvs/jobs"\npython = "3"\n', "other.toml")
    document = answer(answering_host, "who", "beta", "--file", str(other))
    assert [match["address"] for match in document["matches"]] == ["venv.other"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">=1", "not a package: `>=1`"),
        ("alpha beta", "not a package: `alpha beta`"),
        ("alpha[net]", "can't be searched for: `alpha[net]`"),
        ("alpha; python_version > '3'", "can't be searched for"),
        ("alpha @ https://host.example/a.whl", "can't be searched for"),
    ],
)
def test_who_accepts_only_names_and_versions(host: Host, text: str, message: str) -> None:
    done = host.run("who", text)
    assert done.code == 64
    assert message in done.err
    assert "hint: write" in done.err


def test_why_shows_the_chain_through_an_extra(answering_host: Host) -> None:
    (chain,) = answer(answering_host, "why", "converge.toml", "web", "gamma")["chains"]

    assert (chain["declared"], chain["place"]) == ("top", "packages")
    assert chain["steps"] == [
        {"package": "top", "version": "1.0", "requirement": "alpha[net]>=1"},
        {"package": "alpha", "version": "1.5", "requirement": "gamma>=2"},
    ]


def test_why_shows_each_declared_requirement(answering_host: Host) -> None:
    document = answer(answering_host, "why", "web", "beta")
    assert document["version"] == "2.0"
    assert [(chain["declared"], len(chain["steps"])) for chain in document["chains"]] == [
        ("top", 2),
        ("beta==2.0", 0),
    ]
    (chain,) = answer(answering_host, "why", "jobs", "beta")["chains"]
    assert chain["place"] == f"{answering_host.directory}/jobs.txt:2"


def test_why_counts_only_requirements_that_apply(answering_host: Host) -> None:
    declare(answering_host, "gamma ; python_version < '3'")
    (chain,) = answer(answering_host, "why", "web", "gamma")["chains"]
    assert chain["declared"] == "top"


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["text", "JSON"])
def test_why_masks_the_signature_of_a_url(answering_host: Host, options: tuple[str, ...]) -> None:
    declare(answering_host, "beta @ https://host.example/beta.whl?X-Amz-Signature=s3cret-canary")
    done = answering_host.run("why", "web", "beta", *options)
    assert done.code == 0, done.err
    assert "beta @ https://" in done.out
    assert "s3cret-canary" not in done.out + done.err


def test_why_fetches_no_file_behind_a_url(answering_host: Host) -> None:
    answering_host.write("-r https://host.invalid/more.txt\n", "jobs.txt")
    done = answering_host.run("why", "jobs", "beta", "--json")
    assert done.code == 0, done.err
    (chain,) = json.loads(done.out)["chains"]
    assert (chain["declared"], chain["place"]) == ("beta", "https://host.invalid/more.txt")


def test_why_with_a_lock_begins_at_unrequired_packages(answering_host: Host) -> None:
    answering_host.run("lock", "converge.toml", "--only", "venv.web")
    declaration = answering_host.directory / "converge.toml"
    text = declaration.read_text()
    assert 'lock = "' not in text
    (lock,) = answering_host.directory.glob("pylock.*.toml")
    declaration.write_text(text.replace('packages = ["top", "beta==2.0"]', f'lock = "{lock.name}"'))
    answering_host.apply_ok()

    (chain,) = answer(answering_host, "why", "converge.toml", "web", "gamma")["chains"]
    assert (chain["declared"], chain["place"]) == ("top", str(lock))


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("web", "gama"), "doesn't contain the package `gama`", "did you mean `gamma`?"),
        (("web", "never"), "doesn't contain the package `never`", "converge who"),
        ((), "missing argument: PACKAGE", "name a package"),
        (("beta",), "missing argument: NAME", "declared venvs: web, jobs"),
    ],
)
def test_why_names_the_wrong_argument(
    answering_host: Host, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    done = answering_host.run("why", "converge.toml", *arguments)
    assert done.code == 64
    assert message in done.err
    assert hint in done.err


def test_diff_compares_the_packages_and_files_of_two_generations(answering_host: Host) -> None:
    document = answer(answering_host, "diff", "converge.toml", "web")

    assert (document["before"][:6], document["after"][:6]) == ("000001", "000002")
    assert document["changes"] == ["~ beta 1.0 → 2.0"]
    files = {change["path"].rpartition("site-packages/")[2]: change for change in document["files"]}
    assert files["beta/extra.py"]["change"] == "added"
    assert files["beta/__init__.py"]["attributes"] == ["content"]
    assert files["bin/beta"]["change"] == "removed"
    # These contain the path of their generation, or a digest of it, and nothing else differs.
    assert "bin/gamma" not in files
    assert "pyvenv.cfg" not in files
    assert {change["package"] for change in document["files"]} == {"beta"}


def test_diff_lists_files_only_on_request(answering_host: Host) -> None:
    short = answering_host.run("diff", "web", "000001", "000002")
    long = answering_host.run("diff", "web", "000001", "000002", "--files")
    assert "beta: " in short.out
    assert "extra.py" not in short.out
    assert "+ lib/" in long.out
    assert "beta/extra.py" in long.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("jobs",), "has no generation before the live one"),
        (("web", "000002"), "is live"),
        (("web", "9"), "no generation ID begins with `9`"),
        (("web", "1", "2", "3"), "too many generation IDs: 1, 2, 3"),
        (("nope",), "no declared venv has this name: `nope`"),
    ],
)
def test_diff_names_the_wrong_argument(
    answering_host: Host, arguments: tuple[str, ...], message: str
) -> None:
    done: Completed = answering_host.run("diff", "converge.toml", *arguments)
    assert done.code in (1, 64)
    assert message in done.err


def test_diff_of_a_damaged_generation_is_refused(answering_host: Host) -> None:
    (manifest,) = store(answering_host, "web").glob("generations/000001-*/.converge/manifest.json")
    manifest.write_text("[]")
    done = answering_host.run("diff", "converge.toml", "web")
    assert done.code == 81
    assert "the manifest of generation 000001-" in done.err
