"""The table `files` of a venv: each error at its key, capabilities, and digests."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.declaration.diagnostics import DeclarationError
from engine.declaration.inputs import InputLog, TableInputs, file_digest
from engine.declaration.load import load_declaration
from engine.declaration.source_file import SourceFile
from engine.errors import ConvergeError
from engine.output.snippets import locate_all
from engine.resource import Resource
from engine.settings import Settings
from engine.system.files import sha256
from states.__main__ import build_registry
from states.venv.build.declared_files import place_files, require_link_targets, set_metadata
from states.venv.build.startup_hook import STARTUP_HOOK_FILES
from states.venv.files.capabilities import NUMBERS, encode, parse, require_support
from states.venv.files.paths import expand
from states.venv.files.source import digest_source
from states.venv.files.state import describe
from states.venv.integrity.inspection import Inspection
from states.venv.resolve.selection import settings_digest
from states.venv.resolve.validate import validate
from states.venv.sources.tree import tree_digest
from states.venv.spec import File, Venv
from tests.unit.states.values import make_receipt

Key = tuple[str | int, ...]
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs code of others as root")


def _validate(
    directory: Path, files: dict[str, File], **fields: Any
) -> tuple[dict[str, File], list[tuple[Key, str, str]]]:
    """Return the normalized entries, and the key, message, and hint of each diagnostic."""
    functions = {
        "source-tree": tree_digest,
        "local-file": file_digest,
        "declared-file": digest_source,
    }
    log = InputLog(functions)
    source = TableInputs(str(directory / "site.toml"), str(directory), ("venv", "web"), {}, log)
    spec = validate(Venv(path="web", files=files, **fields), source, locking=False)
    return spec.files, [
        (diagnostic.key[4:], diagnostic.message, diagnostic.hint) for diagnostic in log.diagnostics
    ]


TEXT = File(content="x\n")
REJECTED_PATHS: list[tuple[str, str, dict[str, Any]]] = [
    ("", "isn't inside", {}),
    ("/etc/web", "isn't inside", {}),
    ("../web", "isn't inside", {}),
    ("etc/../../web", "isn't inside", {}),
    ("./etc/web", "invalid path", {}),
    ("etc//web", "invalid path", {}),
    ("etc/web/", "invalid path", {}),
    ("etc/w\nb", "invalid path", {}),
    ("{bin}/web", "placeholder", {}),
    ("etc/{site-packages}/web.py", "placeholder", {}),
    ("{site-packages}web.py", "placeholder", {}),
    ("{site-packages}/{x}.py", "placeholder", {}),
    ("lib/python3.11/site-packages/web.py", "version of Python", {}),
    ("lib64/pypy3.10/site-packages/web.py", "version of Python", {}),
    ("{site-packages}", "environment itself", {}),
    ("bin", "environment itself", {}),
    ("lib", "environment itself", {}),
    ("lib64/web", "environment itself", {}),
    ("pyvenv.cfg", "environment itself", {}),
    ("bin/python", "environment itself", {}),
    ("bin/python3.13t", "environment itself", {}),
    ("bin/pypy3", "environment itself", {}),
    ("bin/activate", "environment itself", {}),
    ("bin/activate_this.py", "environment itself", {}),
    (".converge/receipt.json", "environment itself", {}),
    (".converge", "environment itself", {}),
    *((f"{{site-packages}}/{name}", "environment itself", {}) for name in STARTUP_HOOK_FILES),
    ("{site-packages}/web-1.0.dist-info/RECORD", "metadata of a package", {}),
    ("{site-packages}/web.egg-info", "metadata of a package", {}),
    ("{site-packages}/web/__pycache__/a.cpython-311.pyc", "bytecode", {}),
    ("etc/web/app.ini", "persistent directory `etc/web`", {"persistent": ("etc/web",)}),
    ("etc/web", "persistent directory `etc/web`", {"persistent": ("etc/web",)}),
    ("etc", "contains the persistent directory", {"persistent": ("etc/web",)}),
    (
        "{site-packages}/web/data/x",
        "persistent directory `lib/python3.11/site-packages/web/data`",
        {"persistent": ("lib/python3.11/site-packages/web/data",)},
    ),
    ("{site-packages}/libvirt/x.py", "`system-packages`", {"system_packages": ("libvirt",)}),
    ("{site-packages}/libvirt.py", "`system-packages`", {"system_packages": ("libvirt",)}),
]


@pytest.mark.parametrize(("path", "part", "fields"), REJECTED_PATHS)
def test_path_of_something_else_is_reported_at_its_key(
    tmp_path: Path, path: str, part: str, fields: dict[str, Any]
) -> None:
    _, ((_, message, hint),) = _validate(tmp_path, {path: TEXT}, **fields)
    assert part in message
    assert hint or "\\n" in message


ACCEPTED_PATHS = [
    "bin/web",
    "bin/python-net",
    "etc/web.ini",
    "lib/web/data",
    "include/web.h",
    "share/a b",
    "{site-packages}/web.pth",
    "{site-packages}/web/local.py",
]


@pytest.mark.parametrize("path", ACCEPTED_PATHS)
def test_other_paths_are_accepted(tmp_path: Path, path: str) -> None:
    files, diagnostics = _validate(tmp_path, {path: TEXT}, persistent=("var",))
    assert diagnostics == []
    assert describe(files[path]).startswith("sha256:")


REJECTED: list[tuple[File, Key, str]] = [
    (File(), (), "no content"),
    (File(from_="a", link="b"), (), "`from` and `link` exclude each other"),
    (File(content="", mode="0664"), ("mode",), "other users write"),
    (File(content="", mode="4755"), ("mode",), "4755"),
    (File(content="", mode=""), ("mode",), "invalid mode"),
    (File(content="", mode="0200"), ("mode",), "doesn't let its owner"),
    (File(link="/a", mode="0644"), ("mode",), "symlink has no `mode`"),
    (File(link="/a", capabilities="cap_kill=ep"), ("capabilities",), "no `capabilities`"),
    (File(link=""), ("link",), "not a path inside"),
    (File(link="../a"), ("link",), "not a path inside"),
    (File(link="."), ("link",), "not a path inside"),
    (File(link="~/a"), ("link",), "isn't expanded"),
    (File(link="lib/python3.11/site-packages/a"), ("link",), "version of Python"),
    (File(link="bin/web"), ("link",), "itself"),
    (File(from_=""), ("from",), "empty"),
    (File(from_="missing"), ("from",), "doesn't exist"),
    (File(from_="."), ("from",), "is a directory"),
    (File(from_="/dev/zero"), ("from",), "isn't a regular file"),
    (File(from_="pipe"), ("from",), "isn't a regular file"),
    (File(from_="large"), ("from",), "more than 64 MiB"),
    (File(from_="private"), ("from",), "readable by all users"),
    (File(capabilities="=ep"), ("capabilities",), "invalid capabilities"),
    (File(capabilities="cap_bind+ep"), ("capabilities",), "unknown capability `cap_bind`"),
    (File(capabilities="cap_kill+e"), ("capabilities",), "permits nothing"),
    (File(content="#!/bin/sh\n", capabilities="cap_kill=p"), ("capabilities",), "on a script"),
    (File(content="\x7fELF", mode="0644", capabilities="cap_kill=p"), ("mode",), "run the program"),
]


@pytest.mark.parametrize(("file", "key", "part"), REJECTED)
def test_rejected_value_is_reported_at_its_key(
    tmp_path: Path, file: File, key: Key, part: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "private").touch(mode=0o600)
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    _, ((reported, message, _),) = _validate(tmp_path, {"bin/web": file})
    assert reported == key
    assert part in message


@ROOT_ONLY
def test_world_writable_source_is_rejected_for_root(tmp_path: Path) -> None:
    (tmp_path / "local.py").touch()
    (tmp_path / "local.py").chmod(0o646)
    _, ((key, message, hint),) = _validate(tmp_path, {"etc/local.py": File(from_="local.py")})
    assert key == ("from",)
    assert "world-writable" in message
    assert "chmod o-w" in hint


def test_link_into_the_same_venv_must_be_relative(tmp_path: Path) -> None:
    """Through the published path, a link in an old generation would point to the new one."""
    link = File(link=f"{tmp_path}/web/share/x")
    _, ((key, _, hint),) = _validate(tmp_path, {"etc/x": link})
    assert key == ("link",)
    assert '"share/x"' in hint


def test_file_inside_another_one_is_reported(tmp_path: Path) -> None:
    _, ((_, message, _),) = _validate(tmp_path, {"etc/web": TEXT, "etc/web/a": TEXT})
    assert message == "`etc/web/a` is inside the file `etc/web`"


MODES: list[tuple[int, str | None, File, str]] = [
    (0o644, None, File(from_="f"), "0644"),
    (0o755, None, File(from_="f"), "0755"),
    (0o600, "600", File(from_="f"), "0600"),
    (0o600, "0644", File(from_="f"), "0644"),
    (0o644, None, File(content="x"), "0644"),
    (0o644, None, File(content="#!/bin/sh\n"), "0755"),
]


@pytest.mark.parametrize(("source", "mode", "file", "expected"), MODES)
def test_mode_is_the_declared_one_or_normal(
    tmp_path: Path, source: int, mode: str | None, file: File, expected: str
) -> None:
    (tmp_path / "f").touch()
    (tmp_path / "f").chmod(source)
    entry = File(from_=file.from_, content=file.content, mode=mode)
    files, diagnostics = _validate(tmp_path, {"etc/f": entry})
    assert diagnostics == []
    assert files["etc/f"].mode == expected


def test_absent_venv_reads_no_source(tmp_path: Path) -> None:
    files = {"etc/f": File(from_="missing")}
    assert _validate(tmp_path, files, state="absent") == ({}, [])


CAPABILITIES = {
    "cap_net_bind_service+ep": ("cap_net_bind_service=ep", (0x02000001, 1 << 10, 0, 0, 0)),
    "cap_net_raw,CAP_NET_ADMIN=pe": (
        "cap_net_admin,cap_net_raw=ep",
        (0x02000001, 1 << 12 | 1 << 13, 0, 0, 0),
    ),
    "cap_perfmon+ip": ("cap_perfmon=ip", (0x02000000, 0, 0, 1 << 6, 1 << 6)),
}


@pytest.mark.parametrize(("text", "expected"), CAPABILITIES.items())
def test_capabilities_have_the_form_of_the_kernel(
    text: str, expected: tuple[str, tuple[int, ...]]
) -> None:
    """The form is `vfs_cap_data` in linux/capability.h: magic, then permitted and inheritable."""
    normal, problem = parse(text)
    assert (normal, problem) == (expected[0], "")
    assert encode(normal) == struct.pack("<5I", *expected[1])


def test_numbers_are_those_of_the_kernel() -> None:
    header = Path("/usr/include/linux/capability.h")
    if not header.exists():
        pytest.skip("the kernel's headers aren't installed")
    lines = [line.split() for line in header.read_text().splitlines()]
    defined = {
        line[1].lower(): line[2]
        for line in lines
        if line[:1] == ["#define"] and line[1].startswith("CAP_") and line[2].isdigit()
    }
    assert {name: str(number) for name, number in NUMBERS.items()} == defined


def test_file_system_without_capabilities_is_reported() -> None:
    """procfs has no extended attributes."""
    with pytest.raises(ConvergeError) as caught:
        require_support("/proc/self", "bin/web")
    assert "capabilities" in caught.value.message


def test_venv_without_files_keeps_its_digest() -> None:
    """Otherwise, an upgrade of converge would rebuild every venv."""
    assert settings_digest(Venv(path="/srv/web")) == "f865256c77f3fc9f"


def test_moved_source_changes_nothing() -> None:
    digests = {
        settings_digest(Venv(path="/srv/web", files={"etc/f": File(from_=path, digest="abc")}))
        for path in ("/a/f", "/b/f")
    }
    assert len(digests) == 1


def test_receipt_of_an_earlier_version_has_no_files() -> None:
    assert make_receipt().files == ()


def _load(directory: Path, entries: str) -> tuple[Resource, ...]:
    """Load a declaration of one venv, from the cache if possible."""
    text = f'venv.web.path = "web"\n{entries}\n'
    registry = build_registry(Settings(cache=str(directory), state=str(directory)))
    source = SourceFile(str(directory / "site.toml"), str(directory), text)
    return load_declaration((source,), registry, str(directory))


def test_cached_declaration_has_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    entries = '[venv.web.files."etc/a"]\nfrom = "a"\n[venv.web.files."etc/b"]\nlink = "/b"'
    (parsed,) = _load(tmp_path, entries)
    (cached,) = _load(tmp_path, entries)
    assert cached == parsed
    assert cached.spec.files["etc/b"] == File(link="/b")

    (tmp_path / "a").write_text("b")
    (changed,) = _load(tmp_path, entries)
    assert changed.spec.files["etc/a"].digest != cached.spec.files["etc/a"].digest


@pytest.fixture
def generation(tmp_path: Path) -> Path:
    """Return a generation with a script and a module of the package `web`."""
    site = tmp_path / "lib/python3.11/site-packages"
    for path in (tmp_path / "bin", site / "web/__pycache__"):
        path.mkdir(parents=True)
    (tmp_path / "bin/web").write_text("#!/bin/sh\n")
    (site / "web/__init__.py").touch()
    for tag in ("cpython-311", "cpython-311.opt-1"):
        (site / f"web/__pycache__/__init__.{tag}.pyc").touch()
        (site / f"web/__pycache__/other.{tag}.pyc").touch()
    (tmp_path / "linked").symlink_to("bin")
    return tmp_path


def _place(generation: Path, path: str, file: File) -> Inspection:
    """Place a file in the generation, and set its metadata."""
    spec = Venv(path="/srv/web", files={path: file})
    draft: Any = SimpleNamespace(
        root=str(generation), context=SimpleNamespace(spec=spec), ids=(-1, -1)
    )
    inspection = Inspection(owners={"bin/web": "web", INIT: "web"}, digests={INIT: "old"})
    populated: Any = SimpleNamespace(draft=draft, baseline={"bin/activate.x": ""})
    place_files(populated, inspection)
    set_metadata(draft)
    require_link_targets(draft)
    return inspection


INIT = "lib/python3.11/site-packages/web/__init__.py"
EMPTY = File(content="", digest=sha256(b""), mode="0644")
UNUSABLE: list[tuple[str, File, str]] = [
    ("bin/nothing", File(mode="0755"), "no package installs `bin/nothing`"),
    ("{site-packages}/web", EMPTY, "is a directory"),
    ("{site-packages}/web/__init__.py/x", EMPTY, "which isn't a directory"),
    ("linked/x", EMPTY, "`linked`, which isn't a directory"),
    ("bin/activate.x", EMPTY, "is reserved"),
    ("etc/x", File(link="share/no"), "the target of `etc/x` doesn't exist: `share/no`"),
    ("bin/web", File(capabilities="cap_kill=p"), "no effect on a script"),
    ("{site-packages}/web/__init__.py", File(capabilities="cap_kill=p"), "isn't executable"),
    ("etc/x", File(content="x", digest=sha256(b"y")), "changed during the run"),
]


@pytest.mark.parametrize(("path", "file", "message"), UNUSABLE)
def test_unusable_entry_fails_the_build(
    generation: Path, path: str, file: File, message: str
) -> None:
    with pytest.raises(ConvergeError) as caught:
        _place(generation, path, file)
    assert message in caught.value.message


def test_replaced_source_leaves_no_bytecode_of_the_old_one(generation: Path) -> None:
    """The interpreter doesn't compare bytecode with its source (ADR 3)."""
    inspection = _place(generation, "{site-packages}/web/__init__.py", EMPTY)
    assert {path.name for path in generation.rglob("*.pyc")} == {
        "other.cpython-311.pyc",
        "other.cpython-311.opt-1.pyc",
    }
    assert inspection.own_sources == [INIT]
    assert inspection.digests == {INIT: EMPTY.digest}
    assert INIT not in inspection.owners
    assert inspection.replaced == {"{site-packages}/web/__init__.py": "web"}


@pytest.mark.parametrize(("mode", "is_copied"), [("0600", True), ("0755", False)])
def test_changed_executability_is_not_copied(generation: Path, mode: str, is_copied: bool) -> None:
    """Another venv copies the package with the modes of its files."""
    (generation / "bin/web").chmod(0o644)
    inspection = _place(generation, "bin/web", File(mode=mode))
    assert ("bin/web" in inspection.owners) == is_copied


def test_placeholder_is_the_directory_of_the_package(generation: Path) -> None:
    """Some distributions have a second directory for compiled packages."""
    compiled = "lib64/python3.11/site-packages"
    (generation / compiled / "fast").mkdir(parents=True)
    assert expand("{site-packages}/fast/x.py", str(generation)) == f"{compiled}/fast/x.py"
    pure = "lib/python3.11/site-packages"
    assert expand("{site-packages}/web/x.py", str(generation)) == f"{pure}/web/x.py"
    assert expand("{site-packages}/x.pth", str(generation)) == f"{pure}/x.pth"


def test_placeholder_stays_in_a_damaged_generation(tmp_path: Path) -> None:
    """A deleted `lib` must not prevent its repair."""
    assert expand("{site-packages}/x.py", str(tmp_path)) == "{site-packages}/x.py"


@ROOT_ONLY
def test_capabilities_are_not_given_to_other_hard_links(generation: Path) -> None:
    program = generation / "bin/program"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    os.link(program, generation / "other")
    with pytest.raises(ConvergeError) as caught:
        set_capabilities_of(generation, program)
    assert "hard links" in caught.value.message
    assert os.listxattr(generation / "other") == []


def set_capabilities_of(generation: Path, program: Path) -> None:
    """Give capabilities to an existing file of a package."""
    path = str(program.relative_to(generation))
    spec = Venv(path="/srv/web", files={path: File(capabilities="cap_kill=p")})
    draft: Any = SimpleNamespace(
        root=str(generation), context=SimpleNamespace(spec=spec), ids=(-1, -1)
    )
    set_metadata(draft)


WRONG_KEYS = {
    '[venv.web.files]\n"etc/a" = { content = "", form = "a" }': "form",
    '[venv.web.files."etc/a"]\ncontent = ""\nform = "a"': "form",
    '[venv.web.files]\n"/a" = { content = "" }': '"/a"',
    '[venv.web.files."/a"]\ncontent = ""': '"/a"',
    'venv.web.build-variables = { "A B" = "x" }': '"A B"',
    'venv.web.build-variables-package = { "?" = { A = "x" } }': '"?"',
    'venv.web.package-index-url = { "?" = "https://index.example/simple" }': '"?"',
}


@pytest.mark.parametrize(("entries", "marked"), WRONG_KEYS.items())
def test_error_about_a_key_marks_the_key_and_not_its_value(
    tmp_path: Path, entries: str, marked: str
) -> None:
    with pytest.raises(DeclarationError) as caught:
        _load(tmp_path, entries)
    (diagnostic,) = locate_all(caught.value)
    (text,) = caught.value.texts.values()
    assert text.splitlines()[diagnostic.line - 1][diagnostic.column - 1 :].startswith(marked)


TOML_ERRORS = {
    '[venv.web.files."etc/a"]\nform = "a"': (
        ("form",),
        "unknown key `files.etc/a.form`",
        "did you mean `from`?",
    ),
    '[venv.web.files]\n"etc/a" = "a"': ((), "`files.etc/a` must be a table", "write `{ from"),
    '[venv.web.files."etc/a"]\nmode = 644': (("mode",), "must be a string", "put it in quotes"),
    '[venv.web.files."etc/a"]\nfrom = "a"\nlink = "/b"': ((), "exclude each other", ""),
}


@pytest.mark.parametrize(("entries", "expected"), TOML_ERRORS.items())
def test_error_in_an_entry_names_its_key(
    tmp_path: Path, entries: str, expected: tuple[Key, str, str]
) -> None:
    key, part, hint = expected
    with pytest.raises(DeclarationError) as caught:
        _load(tmp_path, entries)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.key == ("venv", "web", "files", "etc/a", *key)
    assert part in diagnostic.message
    assert hint in diagnostic.hint
