"""A failing read isn't an absence: the functions that ensure it, and the forms that don't."""

from __future__ import annotations

import ast
import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine.system import existence

from .test_architecture import FILES, _name, _tree

ERRNOS = ("EIO", "EACCES", "ESTALE", "EMFILE", "ENOMEM")
FUNCTIONS: tuple[Callable[[str], object], ...] = (
    existence.entry_exists,
    existence.exists,
    existence.is_directory,
    existence.is_file,
    existence.is_symlink,
    existence.listdir_or_empty,
    existence.lstat,
    existence.nearest_existing,
    existence.read_link,
    existence.resolve,
    existence.status,
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to("directory")
    (tmp_path / "dangling").symlink_to("gone/../gone")
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (existence.entry_exists, {"file", "directory", "link", "dangling", "loop"}),
        (existence.exists, {"file", "directory", "link"}),
        (existence.is_directory, {"directory", "link"}),
        (existence.is_file, {"file"}),
        (existence.is_symlink, {"link", "dangling", "loop"}),
    ],
)
def test_existence_is_that_of_the_disk(
    function: Callable[[str], bool], names: set[str], tree: Path
) -> None:
    missing = {"gone", "file/inside", "loop/inside", "n" * 300}
    everything = {"file", "directory", "link", "dangling", "loop", *missing}
    assert {name for name in everything if function(str(tree / name))} == names


def test_read_link_returns_only_targets_of_symlinks(tree: Path) -> None:
    names = ("file", "gone", "link", "dangling")
    targets = {name: existence.read_link(str(tree / name)) for name in names}
    assert targets == {"file": "", "gone": "", "link": "directory", "dangling": "gone/../gone"}


def test_nearest_existing_entry_is_a_parent_at_most(tree: Path) -> None:
    names = {"directory/a/b": "directory", "file/a": "file", "loop/a": "loop", "link": "link"}
    assert {name: existence.nearest_existing(str(tree / name)) for name in names} == {
        name: str(tree / nearest) for name, nearest in names.items()
    }


@pytest.mark.parametrize(
    "path",
    ["", "file", "link", "link/x", "dangling/x", "gone/../x", "link/../x", "file/../x", "./link//"],
)
def test_resolve_is_realpath(path: str, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert existence.resolve(f"{tree}/{path}") == os.path.realpath(f"{tree}/{path}")
    monkeypatch.chdir(tree)
    assert existence.resolve(path) == os.path.realpath(path)


def test_resolve_of_an_endless_symlink_is_an_error(tree: Path) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        existence.resolve(str(tree / "loop"))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", ERRNOS)
def test_failing_read_is_not_an_absence(
    function: Callable[[str], object], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = getattr(errno, name)

    def failing(path: str, **_options: object) -> str:
        raise OSError(number, os.strerror(number), path)

    with monkeypatch.context() as patched:
        for call in ("lstat", "stat", "readlink", "listdir"):
            patched.setattr(os, call, failing)
        with pytest.raises(OSError, match=os.strerror(number)):
            function("/some/where")


LENIENT = {"exists", "lexists", "isdir", "isfile", "islink", "ismount", "samefile", "realpath",
           "access"}  # fmt: skip
"""Functions of `os` and `os.path` that answer "no" if a read fails."""
PATH_METHODS = {"exists", "is_dir", "is_file", "is_symlink", "is_mount"}
"""The same of `Path`."""

ALLOWED = {
    # Only speed is lost: caches, and records that no decision depends on.
    "engine.declaration.cache": "a cache",
    "states.system.cache_expiry": "the age of cache files",
    "states.venv.build.bytecode.cache": "a cache",
    "states.venv.generations.verify_log": "a record for people",
    "states.venv.integrity.stat_cache": "a cache: without it, the content is compared",
    "states.installer.build_errors._includes": "a suggestion in the message of another error",
    "states.venv.resolve.reuse.planned": "a cache: without it, the versions are selected again",
    "states.distribution.file_index": "a suggestion in the message of another error",
    "states.distribution.lookup": "a cache: without it, the database is read",
    "states.venv.refresh.refresh": "writes caches, if it can",
    # The error is reported in another way.
    "engine.cli.main": "the error ends the run",
    "engine.cli.session.commit_inventory": "the error is a notice; the record stays",
    "engine.converge": "the error is the result of the resource",
    "engine.cli.options.output_width": "the width of a terminal",
    "engine.output.terminal": "a terminal that is gone",
    "states.venv.resolve.fetch.Fetcher._download.download": "raised in the calling thread",
    "states.venv.resolve.diagnosis.extras": "a suggestion in a notice",
    "states.venv.resolve.lines.invalid.similar_file": "a suggestion in an error",
    "engine.progress": "a terminal that is gone",
    "engine.system.encoding": "the signs of the output",
    "states.commands.gc._collectable": "the generation is kept, and the error is reported",
    "states.commands.status._readable_generations": "another user is building the generation",
    "states.commands.status._compare": "the error is the state of the resource",
    "states.commands.text.gc._size": "the size in a report",
    "states.commands.text.gc._reason": "the error is the reason to keep the generation",
    "states.completion": "a shell would show an error within the line that the user types",
    "states.global_installs.removal.user_process": "the error is raised in the calling process",
    "states.global_installs.kind.GlobalKind.owned_paths": "`open` meets the error again",
    "states.global_installs.unreadable": "the error is reported with the packages",
    "states.commands.packages.who._Search.add": "the error is the result of the venv",
    "states.commands.list._describe": "the error is the result of the venv",
    "states.commands.per_venv.run_per_venv": "the error is the result of the venv",
    "states.selftest": "a test of a file system",
    "engine.system.permissions.require_writable": "only asks the kernel; each read raises",
    "states.system.programs": "only asks the kernel; the program is started next",
    "states.venv.adoption": "a finding or a default; the adoption deletes nothing",
    "states.commands.declarations.reading": "the error is the result of the venv",
    "states.commands.declarations.import_venvs._lock": "the error is the result of the venv",
    "states.system.path_references": "a notice names each unreadable place",
    "states.interpreter.launch_script": "only copies what the interpreter reads next",
    "states.system.users.can_execute": "the smoke tests run later",
    "states.installer.readiness": "only asks the kernel, and no program is an error",
    "engine.declaration.path_dependencies": "without the dependency, the declared order counts",
    # The answer "no" is an error, or precedes a call that fails.
    "engine.cli.plan_file": "a plan is written only where a regular file or nothing is",
    "engine.declaration.inputs": "the file is opened next",
    "engine.declaration.load": "the file is opened next",
    "states.commands.declarations.create": "the file is created exclusively",
    "states.commands.selftest": "no directory is an error",
    "states.venv.build.base_env": "an environment that can't be proved isn't used",
    "states.venv.build.smoke": "the program is started next",
    "states.venv.build.bytecode.compile.Compilation.hash_and_compile": "raised by `finish`, after the check",
    "states.venv.build.bytecode.compile.Compilation.close": "an incomplete file of the cache stays",
    "states.venv.build.bytecode.compile_script": "no bytecode, or the caller reads the file again",
    "states.venv.resolve.pylock._static_version": "a version in a project file is a hint",
    "states.venv.resolve.fetch.Fetcher._download": "the error is raised in another thread",
    "states.venv.resolve.validate": "a missing file is an error",
    "states.venv.kind.live_generations": "`open` meets the error again",
    "states.venv.integrity.intact": "a generation that isn't compared is observed by the loop",
    # Other processes, and other users.
    "states.venv.verify._Scan._do": "the comparison is repeated, and meets the error again",
    "engine.system.forks": "the process repeats the calls of its children, and meets the error",
    "engine.system.encoding.locale_is_utf8": "the variables of this process are used instead",
    "engine.system.linux.boot_id": "without a boot ID, the cache is emptied",
    "engine.system.lock.is_held": "the kernel's list of locks is asked instead",
    "engine.system.processes": "a process that has ended, or that is another user's",
    "states.venv.generations.gc.collectable": "the generation is kept",
    "states.venv.generations.in_use.is_in_use": "counts as used",
    "states.system.subprocesses": "a process that has ended",
    "states.interpreter.discovery": "a candidate that can't be started is skipped, as in a shell",
    "states.interpreter.candidates": "a candidate that can't be started is skipped, as in a shell",
    # Comparisons whose failure deletes nothing.
    "engine.inventory.Inventory._exists": "a resource that can't be examined counts as existing",
    "engine.inventory.Inventory.__init__": "a notice says so, and nothing is pruned or recorded",
    "states.link.kind.LinkKind.owned_paths": "before a deletion, the inventory resolves paths again",
    "states.wheelhouse.select.resolve_child.main": "the parent process raises the error",
    "states.wheelhouse.kind.WheelhouseKind.owned_paths": "as for a venv",
    "states.venv.kind.VenvKind.owned_paths": "before a deletion, the inventory resolves paths again",
    "states.venv.sources": "a digest of a local project",
    "states.__main__._local_file_digest": "a digest of a local file",
    "states.venv.build.projects.packaged_files": "the file doesn't count as packaged",
    # A build in a new directory, which is verified before it is published.
    "states.system.scratch": "which of several directories has the scratch files",
    "states.venv.build.disk_space": "an estimate for a message",
    "states.wrappers": "copies of the modules",
    "states.venv.build.install": "build directories of local projects",
    "states.venv.build.overlaps._are_installed": "the package is installed again",
    "states.venv.build.reuse": "the package is installed instead of copied",
    "states.venv.apply.find_reusable": "the generation is kept, and isn't reused",
    # A deletion after an error, or one that an error only stops.
    "engine.system.files.replace_symlink": "deletes its temporary symlink, and raises",
    "states.venv.generations.recovery.try_delete": "the entry stays, and is reported",
    "states.venv.generations.removal.delete_store": "an empty directory stays",
    "states.venv.generations.removal.delete_if_empty": "an empty store stays",
    "states.venv.generations.store.publish": "an empty directory stays, as a backup",
    "states.link.symlinks.delete_unfinished": "a temporary symlink of another user stays",
}
"""The modules and functions that may use such a form, with the reason why that loses nothing."""


def swallowing_forms(tree: ast.AST, owner: str = "") -> Iterator[tuple[str, str]]:
    """Yield each form that takes a failing read for an absence or ignores it, with its place."""
    for node in ast.iter_child_nodes(tree):
        form = _swallowing_form(node)
        if form:
            yield owner, f"{form}, line {getattr(node, 'lineno', 0)}"
        name = f".{node.name}" if isinstance(node, (ast.FunctionDef, ast.ClassDef)) else ""
        yield from swallowing_forms(node, owner + name)


def _swallowing_form(node: ast.AST) -> str:
    match node:
        case ast.Attribute(attr=name, value=owner) if name in LENIENT:
            return f"{ast.unparse(node)}" if ast.unparse(owner) in ("os", "os.path") else ""
        case ast.Call(func=ast.Name("suppress"), args=types) if _names_every_error(types):
            return ast.unparse(node)
        case ast.Call(func=ast.Attribute(attr=name), args=[], keywords=[]) if name in PATH_METHODS:
            return f".{name}()"
        case ast.ExceptHandler(type=ast.expr() as caught) if _swallows(node):
            types = caught.elts if isinstance(caught, ast.Tuple) else [caught]
            return f"except {ast.unparse(caught)}" if _names_every_error(types) else ""
    return ""


def _is_allowed(place: str) -> bool:
    return any(place == allowed or place.startswith(f"{allowed}.") for allowed in ALLOWED)


def _names_every_error(types: list[ast.expr]) -> bool:
    return bool({"OSError", "PermissionError", "IOError", "Exception"} & {*map(ast.unparse, types)})


def _swallows(handler: ast.ExceptHandler) -> bool:
    return not any(isinstance(node, ast.Raise) for node in ast.walk(handler))


def _all_forms() -> list[tuple[str, str]]:
    return [
        (f"{_name(path)}{owner}", form)
        for path in FILES
        for owner, form in swallowing_forms(_tree(path))
    ]


def test_failing_reads_are_not_swallowed() -> None:
    assert [(place, form) for place, form in _all_forms() if not _is_allowed(place)] == []


def test_exceptions_for_failing_reads_are_in_use() -> None:
    places = [f"{place}." for place, _ in _all_forms()]
    unused = [name for name in ALLOWED if not any(p.startswith(f"{name}.") for p in places)]
    assert unused == []


@pytest.mark.parametrize(
    "text",
    [
        "os.path.exists(path)",
        "filter(os.path.lexists, paths)",
        "os.access(path, os.R_OK)",
        "Path(path).is_dir()",
        "with suppress(OSError): os.stat(path)",
        "try:\n    os.stat(path)\nexcept OSError:\n    pass",
        "try:\n    os.stat(path)\nexcept (OSError, ValueError) as error:\n    x = 1",
    ],
)
def test_swallowing_form_is_detected(text: str) -> None:
    assert [*swallowing_forms(ast.parse(text))]


@pytest.mark.parametrize(
    "text",
    [
        "exists(path)",
        "entry.is_dir(follow_symlinks=False)",
        "with suppress(FileNotFoundError): os.stat(path)",
        "try:\n    os.stat(path)\nexcept OSError:\n    raise",
        "try:\n    os.stat(path)\nexcept FileNotFoundError:\n    pass",
    ],
)
def test_careful_form_is_accepted(text: str) -> None:
    assert not [*swallowing_forms(ast.parse(text))]
