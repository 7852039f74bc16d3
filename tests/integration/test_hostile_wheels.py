"""A wheel that lies, or reaches beyond its own files, is not published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.host import MINOR, Host
from tests.support.wheels import Raw, make_wheel, record_row

MODULE = "evil/__init__.py"
EVIL: dict[str, Callable[[Path], object]] = {
    "its RECORD has another hash": lambda folder: make_wheel(
        folder, "evil", "1.0", record_lies={MODULE: record_row("other")}
    ),
    "it has no RECORD": lambda folder: make_wheel(folder, "evil", "1.0", without=["RECORD"]),
    "its RECORD is garbage": lambda folder: make_wheel(folder, "evil", "1.0", record="\0\0\n"),
    "its RECORD has a row that no reader takes": lambda folder: make_wheel(
        folder, "evil", "1.0", record="x" * 140_000 + ",,\n"
    ),
    "it replaces pyvenv.cfg": lambda folder: make_wheel(
        folder, "evil", "1.0", data={"data/pyvenv.cfg": "home = /nowhere\n"}
    ),
    "it replaces the interpreter by its data": lambda folder: make_wheel(
        folder, "evil", "1.0", data={"data/bin/python": "#!/bin/sh\n"}
    ),
    "it replaces the interpreter by a script": lambda folder: make_wheel(
        folder, "evil", "1.0", scripts={"python": "#!/bin/sh\n"}
    ),
    "it replaces the interpreter by an entry point": lambda folder: make_wheel(
        folder, "evil", "1.0", console_scripts={"python3": "evil:main"}
    ),
    "it brings another interpreter": lambda folder: make_wheel(
        folder, "evil", "1.0", scripts={"python3.99": "#!/bin/sh\n"}
    ),
    "it replaces activate": lambda folder: make_wheel(
        folder, "evil", "1.0", scripts={"activate": "exit 1\n"}
    ),
    "it replaces the pin": lambda folder: make_wheel(
        folder, "evil", "1.0", files={"_converge_pin.py": "evil = True\n"}
    ),
    "it brings a receipt": lambda folder: make_wheel(
        folder, "evil", "1.0", data={"data/.converge/receipt.json": "{}"}
    ),
    "its RECORD leaves a file out": lambda folder: make_wheel(
        folder, "evil", "1.0", record_lies={MODULE: None}
    ),
    "its metadata names another version": lambda folder: make_wheel(folder, "evil", "2.0").rename(
        folder / "evil-1.0-py3-none-any.whl"
    ),
}


@pytest.mark.parametrize("make", EVIL.values(), ids=EVIL)
def test_nothing_of_it_is_published(host: Host, make: Callable[[Path], object]) -> None:
    make_wheel(host.wheels, "good", "1.0")
    make(host.wheels)
    host.cache = host.folder / "cache"
    host.declare(["good"])
    host.applied()
    before = host.generation
    host.declare(["good", "evil"])

    failed = host.apply()

    assert failed.code in (1, 81), failed.out + failed.err
    error = failed.first["error"]
    assert "Traceback" not in failed.err
    assert "evil" in error["message"] + error["output"] or "`" in error["message"]
    assert host.generation == before
    assert host.generations() == [before.name]
    assert not list(host.folder.rglob("canary"))
    assert host.python_says("import good; print(good.__version__)") == "1.0"


def test_a_file_that_is_another_packages_is_never_published_as_that_of_a_wheel_that_hides_it(
    host: Host,
) -> None:
    """Which of the two an installer writes last is chance: refused, or the honest file."""
    make_wheel(host.wheels, "good", "1.0")
    hidden = "good/__init__.py"
    make_wheel(
        host.wheels,
        "evil",
        "1.0",
        files={hidden: "__version__ = 'evil'\n"},
        record_lies={hidden: None},
    )
    host.cache = host.folder / "cache"
    host.declare(["good"])
    host.applied()
    host.declare(["good", "evil"])

    done = host.apply()

    assert done.code in (0, 1, 81), done.out + done.err
    assert "Traceback" not in done.err
    assert host.python_says("import good; print(good.__version__)") == "1.0"
    assert host.run("verify", "converge.toml").code == 0
    assert len(host.generations()) == (2 if done.code == 0 else 1)


HARMLESS: dict[str, Callable[[Path], object]] = {
    "its RECORD lists a file that is not there": lambda folder: make_wheel(
        folder, "evil", "1.0", without=[MODULE]
    ),
    "it climbs out": lambda folder: make_wheel(
        folder, "evil", "1.0", raw=[Raw(name="../../../../../canary", content="x")]
    ),
    "it climbs out by its data": lambda folder: make_wheel(
        folder, "evil", "1.0", data={"data/../../canary": "x"}
    ),
    "it has an absolute path": lambda folder: make_wheel(
        folder, "evil", "1.0", raw=[Raw(name=f"{folder.parent}/canary", content="x")]
    ),
}


@pytest.mark.parametrize("make", HARMLESS.values(), ids=HARMLESS)
def test_what_an_installer_makes_harmless_reaches_nothing_outside(
    host: Host, make: Callable[[Path], object]
) -> None:
    make(host.wheels)
    host.cache = host.folder / "cache"
    host.declare(["evil"])

    done = host.apply()

    assert done.code in (0, 1, 81)
    inside = {host.store, host.cache}
    assert [one for one in host.folder.rglob("canary") if not inside & {*one.parents}] == []
    if done.code == 0:
        host.settled()


def test_scripts_that_are_only_named_like_the_environments_own_are_installed(host: Host) -> None:
    """As those of argcomplete."""
    names = ["python-argcomplete-check-easy-install-script", "activate-global-python-argcomplete"]
    scripts = dict.fromkeys(names, "#!/bin/sh\necho honest\n")
    make_wheel(host.wheels, "argcomplete", "1.0", scripts=scripts)
    host.declare(["argcomplete"])

    host.converges()

    assert [host.script(name) for name in names] == ["honest", "honest"]


@pytest.mark.parametrize("listed", [False, True])
def test_the_signature_of_a_record_need_not_stand_in_it(host: Host, listed: bool) -> None:
    """As that of wheel 0.24 does not."""
    signature = "signed-1.0.dist-info/RECORD.jws"
    raw = [Raw(name=signature, content="{}", recorded=listed)]
    make_wheel(host.wheels, "signed", "1.0", raw=raw, record_lies={signature: ","})
    make_wheel(host.wheels, "other", "1.0")
    host.declare(["signed"])
    host.converges()
    host.declare(["signed", "other"])

    host.converges()

    assert (host.site / signature).read_text() == "{}"
    (host.site / signature).write_text("{...}")
    assert f"file.lib/{MINOR}/site-packages/{signature}" in host.check().changes()


def test_two_packages_may_bring_the_same_file_if_it_is_the_same(host: Host) -> None:
    """As namespace packages of old do."""
    for name in ("one", "two"):
        make_wheel(
            host.wheels, name, "1.0", files={"shared/__init__.py": "", f"shared/{name}.py": ""}
        )
    host.declare(["one", "two"])

    host.converges()

    assert host.python_says("import shared.one, shared.two; print('both')") == "both"


def test_the_seal_is_true_of_a_file_that_two_packages_bring_differently(host: Host) -> None:
    make_wheel(host.wheels, "one", "1.0", files={"shared/__init__.py": "who = 'one'\n"})
    make_wheel(host.wheels, "two", "1.0", files={"shared/__init__.py": "who = 'two'\n"})
    host.declare(["one"])
    host.applied()
    host.declare(["one", "two"])

    host.converges()

    verified = host.run("verify", "converge.toml")
    assert verified.code == 0, verified.out


def test_taking_one_of_two_leaves_the_shared_folder_to_the_other(host: Host) -> None:
    for name in ("one", "two"):
        make_wheel(
            host.wheels, name, "1.0", files={"shared/__init__.py": "", f"shared/{name}.py": ""}
        )
    host.declare(["one", "two"])
    host.applied()
    host.declare(["two"])

    host.converges()

    assert sorted(one.name for one in (host.site / "shared").glob("*.py")) == [
        "__init__.py",
        "two.py",
    ]


@pytest.mark.parametrize("name", ["spaced name.py", "a,b.py", 'quote".py', "umläut.py", "%41.py"])
def test_an_odd_but_honest_file_name_is_installed_and_sealed(host: Host, name: str) -> None:
    make_wheel(host.wheels, "odd", "1.0", files={f"odd/{name}": "x = 1\n"})
    host.declare(["odd"])

    host.converges()

    (host.site / "odd" / name).write_text("x = 2\n")
    assert {one["attribute"] for one in host.converges()["changes"]} == {
        f"file.lib/{MINOR}/site-packages/odd/{name}",
        "generation",
    }
