"""What is remembered of a declaration: as good as reading it again, or not used at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine import loading
from engine.errors import Forbidden, InputMissing
from engine.files import sha256
from engine.loading import STDIN, load, read_texts
from engine.resource import Resource
from tests.unit.desk import Desk


class Memo:
    """A declaration on a desk, and the note that is kept of it."""

    def __init__(self, desk: Desk, cache: Path) -> None:
        self.desk = desk
        self.cache = cache
        self.computed = 0

    def load(self) -> tuple[Resource, ...]:
        return load(self.desk.texts(), self.desk.composition(), str(self.cache))

    def notes(self) -> list[Path]:
        return sorted(self.cache.glob("declarations/*"))

    @contextmanager
    def reading_nothing(self) -> Iterator[None]:
        """Fail if the declaration is parsed: a hit must not open that door."""
        import engine.declaration as door

        real = door.declare
        door.declare = _refuse
        try:
            yield
        finally:
            door.declare = real


def _refuse(*_arguments: object) -> None:
    raise AssertionError("the declaration was read again")


@pytest.fixture
def memo(desk: Desk, places: tuple[Path, Path]) -> Memo:
    desk.declare("hello", "text.txt")
    desk.declare("x = 1\n", "library/code.py")
    desk.notes("b", "a", b='copies = "note.a"\ntags = ["x", "library"]', a='read-from = "text.txt"')
    return Memo(desk, places[0])


def test_cache_hit_returns_the_same_resources(memo: Memo) -> None:
    missed = memo.load()
    with memo.reading_nothing():
        assert memo.load() == missed
    assert [one.address for one in missed] == ["note.a", "note.b"]


def test_cache_hit_restores_tuples(memo: Memo) -> None:
    memo.load()
    spec = memo.load()[1].spec
    assert spec.tags == ("x", "library")
    assert hash(spec) == hash(memo.load()[1].spec)


def test_cache_file_is_private(memo: Memo) -> None:
    memo.load()
    (note,) = memo.notes()
    assert note.stat().st_mode & 0o777 == 0o600
    assert note.parent.stat().st_mode & 0o777 == 0o700


def test_state_directories_ignore_the_umask(desk: Desk, places: tuple[Path, Path]) -> None:
    desk.notes("a")
    before = os.umask(0)
    try:
        assert desk.run("apply").code == 0
        assert desk.run("apply").code == 0
    finally:
        os.umask(before)
    made = [one for place in places for one in (place.parent, place, *place.rglob("*"))]
    assert {oct(one.stat().st_mode & 0o777) for one in made if one.is_dir()} == {"0o700"}
    assert (desk.folder / "a").stat().st_mode & 0o777 == 0o644


def test_cache_writable_by_others_is_refused(desk: Desk, places: tuple[Path, Path]) -> None:
    desk.notes("a")
    assert desk.run("plan").code == 0
    places[0].chmod(0o777)
    for verb in ("plan", "apply", "check", "graph"):
        refused = desk.run(verb)
        assert refused.code == (1 if verb == "check" else 77)
        assert f"unsafe: `{places[0]}`" in refused.err
    assert desk.says("a") is None


def edit(memo: Memo, name: str, old: str, new: str) -> None:
    path = memo.desk.folder / name
    path.write_text(path.read_text().replace(old, new))


CHANGES: dict[str, Callable[[Memo], object]] = {
    "the declaration": lambda memo: edit(memo, "notes.toml", 'text = "b"', 'text = "B"'),
    "a file that it names": lambda memo: edit(memo, "text.txt", "hello", "Hello"),
    "a source file": lambda memo: edit(memo, "library/code.py", "1", "2"),
    "a new source file": lambda memo: memo.desk.declare("", "library/more.py"),
    "a mode": lambda memo: (memo.desk.folder / "library/code.py").chmod(0o755),
    "a file gone": lambda memo: (memo.desk.folder / "library/code.py").unlink(),
}


@pytest.mark.parametrize("what", CHANGES)
def test_cache_misses_after_an_input_changed(memo: Memo, what: str) -> None:
    before = memo.load()
    CHANGES[what](memo)
    with pytest.raises(AssertionError, match="read again"), memo.reading_nothing():
        memo.load()
    assert memo.load() != before


def test_cache_misses_after_an_input_was_deleted(memo: Memo) -> None:
    memo.load()
    (memo.desk.folder / "text.txt").unlink()
    with pytest.raises(Exception, match="1 problem"):
        memo.load()


def test_cache_stores_no_invalid_declaration(memo: Memo) -> None:
    (memo.desk.folder / "text.txt").unlink()
    with pytest.raises(Exception, match="1 problem"):
        memo.load()
    assert memo.notes() == []
    memo.desk.declare("hello", "text.txt")
    assert len(memo.load()) == 2


def test_cache_hits_after_build_artifacts_were_added(memo: Memo) -> None:
    memo.load()
    for name in ("build/lib/x.py", "__pycache__/code.pyc", "x.egg-info/PKG-INFO", ".git/HEAD"):
        memo.desk.declare("new", f"library/{name}")
    with memo.reading_nothing():
        memo.load()


def _sealed(whole: bytes) -> bytes:
    return f"{sha256(whole)}\n".encode() + whole


def _other(note: bytes, **keys: object) -> bytes:
    return _sealed(json.dumps({**json.loads(note.partition(b"\n")[2]), **keys}).encode())


ODD: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _note: b"",
    "half of it": lambda note: note[: len(note) // 2],
    "all but a byte": lambda note: note[:-1],
    "zeros": lambda note: b"\0" * len(note),
    "the end zeroed": lambda note: note[:-100] + b"\0" * 100,
    "one letter of a text": lambda note: note.replace(b'"hello"', b'"hallo"'),
    "a path changed": lambda note: note.replace(b"desk/a", b"desk/z"),
    "not UTF-8": lambda note: b"\xff\xfe" + note,
    "two of them": lambda note: note + note,
    "no object": lambda _note: _sealed(b"[1]"),
    "nested": lambda _note: _sealed(b"[" * 100_000),
    "no resources": lambda note: _other(note, resources=None),
    "an unknown kind": lambda note: _other(note, resources=[{"kind": "x", "spec": {}}]),
    "an unknown field": lambda note: _other(
        note, resources=[{"kind": "note", "name": "a", "spec": {"zzz": 1}, "needs": [], "file": ""}]
    ),
    "a field missing": lambda note: _other(
        note, resources=[{"kind": "note", "name": "a", "spec": {}, "needs": [], "file": ""}]
    ),
    "files of another shape": lambda note: _other(note, files=[1, 2]),
}


@pytest.mark.parametrize("how", ODD)
def test_damaged_cache_file_is_ignored(memo: Memo, how: str) -> None:
    resources = memo.load()
    (note,) = memo.notes()
    note.write_bytes(ODD[how](note.read_bytes()))
    assert memo.load() == resources
    with memo.reading_nothing():
        assert memo.load() == resources


def test_cache_file_replaced_by_a_directory_is_ignored(memo: Memo) -> None:
    resources = memo.load()
    (note,) = memo.notes()
    note.unlink()
    note.mkdir()
    assert memo.load() == resources


def test_cache_stores_no_password(memo: Memo) -> None:
    memo.desk.notes("a", a='password = "https://ann:sesame@example.org/"')
    memo.load()
    assert memo.notes() == []
    assert memo.load()[0].spec.password == "https://ann:sesame@example.org/"


@pytest.mark.parametrize("what", ["another version", "another kind", "another spec"])
def test_cache_of_another_version_is_ignored(memo: Memo, what: str, monkeypatch) -> None:
    memo.load()
    if what == "another version":
        monkeypatch.setattr(loading, "__version__", "999")
    else:
        kinds = dict(memo.desk.composition().kinds)
        if what == "another kind":
            del kinds["page"]
        else:
            monkeypatch.setattr(kinds["note"].spec, "__fields__", {
                name: field for name, field in kinds["note"].spec.__fields__.items()
                if name != "signed"
            })  # fmt: skip
        other = loading.Composition(kinds=kinds, default="note")
        memo.desk.composition = lambda: other
    with pytest.raises(AssertionError, match="read again"), memo.reading_nothing():
        memo.load()


def test_cache_depends_on_the_directory(memo: Memo) -> None:
    memo.load()
    other = memo.desk.declare((memo.desk.folder / "notes.toml").read_text(), "there/notes.toml")
    memo.desk.declare("elsewhere", "there/text.txt")
    memo.desk.declare("x = 1\n", "there/library/code.py")
    found = load(read_texts([str(other)]), memo.desk.composition(), str(memo.cache))
    assert found[0].spec.text == "elsewhere"


def test_directory_is_read_as_its_sorted_toml_files(desk: Desk) -> None:
    for name in ("b.toml", "a.toml", "c.txt", "sub/d.toml"):
        desk.declare("", name)
    texts = read_texts([str(desk.folder)])
    assert [Path(one.file).name for one in texts] == ["a.toml", "b.toml"]
    assert {one.folder for one in texts} == {str(desk.folder)}


def test_repeated_file_is_read_once(desk: Desk) -> None:
    desk.notes("a")
    path = str(desk.folder / "notes.toml")
    assert len(read_texts([path, str(desk.folder), f"{desk.folder}/./notes.toml"])) == 1


@pytest.mark.parametrize("name", ["gone.toml", "notes.toml/inside.toml"])
def test_missing_file_is_reported(desk: Desk, name: str) -> None:
    desk.notes("a")
    with pytest.raises(InputMissing, match="no such file"):
        read_texts([str(desk.folder / name)])
    assert desk.say("plan", str(desk.folder / name)).code == 66


def test_directory_without_declarations_is_reported(desk: Desk) -> None:
    with pytest.raises(InputMissing, match=r"no `\*.toml` in the folder"):
        read_texts([str(desk.folder)])


def test_standard_input_is_relative_to_the_working_directory(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.folder)
    done = desk.run("apply", "--json", "-", stdin='[note.a]\npath = "x"\n')
    assert done.of("note.a")["path"] == str(desk.folder / "x")
    assert STDIN == "<stdin>"


@pytest.mark.skipif(os.geteuid() != 0, reason="others may have their own files as they like")
def test_root_refuses_a_world_writable_declaration(desk: Desk) -> None:
    path = desk.notes("a")
    path.chmod(0o666)
    refused = desk.say("apply", str(path))
    assert refused.code == 77
    assert "anybody can write" in refused.err and f"chmod o-w {path}" in refused.err
    path.chmod(0o664)
    assert desk.say("apply", str(path)).code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_reported(desk: Desk) -> None:
    desk.notes("a").chmod(0)
    with pytest.raises(Forbidden):
        desk.load()


def test_directory_read_skips_lockfiles_and_hidden_files(desk: Desk) -> None:
    desk.notes("a", name="hosts/a.toml")
    desk.notes("b", name="hosts/pylocks.toml")
    for other in (
        "pylock.toml",
        "pylock.web.toml",
        "web.pylock.toml",
        ".next-a.toml",
        ".taplo.toml",
    ):
        desk.declare("no declaration", f"hosts/{other}")
    (desk.folder / "hosts" / ".#a.toml").symlink_to("ann@host.1234")
    (desk.folder / "hosts" / "folder.toml").mkdir()
    read = read_texts([f"{desk.folder}/hosts"])
    assert [os.path.basename(text.file) for text in read] == ["a.toml", "pylocks.toml"]
    assert read_texts([f"{desk.folder}/hosts/.taplo.toml"])[0].content == "no declaration"


def test_file_path_resolves_symlinks_before_dots(desk: Desk) -> None:
    (desk.folder / "else" / "inner").mkdir(parents=True)
    (desk.folder / "link").symlink_to("else/inner")
    desk.notes("a", name="else/notes.toml")
    (text,) = read_texts([f"{desk.folder}/link/../notes.toml"])
    assert (text.folder, text.file) == (f"{desk.folder}/else", f"{desk.folder}/else/notes.toml")
