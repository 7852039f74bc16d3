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
from tests.unit.cli_runner import CliRunner


class Memo:
    """A declaration on a cli, and the note that is kept of it."""

    def __init__(self, cli: CliRunner, cache: Path) -> None:
        self.cli = cli
        self.cache = cache
        self.computed = 0

    def load(self) -> tuple[Resource, ...]:
        return load(self.cli.read_sources(), self.cli.registry(), str(self.cache))

    def cache_files(self) -> list[Path]:
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
def memo(cli: CliRunner, places: tuple[Path, Path]) -> Memo:
    cli.declare("hello", "text.txt")
    cli.declare("x = 1\n", "library/code.py")
    cli.declare_widgets(
        "b", "a", b='copies = "widget.a"\ntags = ["x", "library"]', a='read-from = "text.txt"'
    )
    return Memo(cli, places[0])


def test_cache_hit_returns_the_same_resources(memo: Memo) -> None:
    missed = memo.load()
    with memo.reading_nothing():
        assert memo.load() == missed
    assert [one.address for one in missed] == ["widget.a", "widget.b"]


def test_cache_hit_restores_tuples(memo: Memo) -> None:
    memo.load()
    spec = memo.load()[1].spec
    assert spec.tags == ("x", "library")
    assert hash(spec) == hash(memo.load()[1].spec)


def test_cache_file_is_private(memo: Memo) -> None:
    memo.load()
    (cache_file,) = memo.cache_files()
    assert cache_file.stat().st_mode & 0o777 == 0o600
    assert cache_file.parent.stat().st_mode & 0o777 == 0o700


def test_state_directories_ignore_the_umask(cli: CliRunner, places: tuple[Path, Path]) -> None:
    cli.declare_widgets("a")
    before = os.umask(0)
    try:
        assert cli.run("apply").code == 0
        assert cli.run("apply").code == 0
    finally:
        os.umask(before)
    made = [one for place in places for one in (place.parent, place, *place.rglob("*"))]
    assert {oct(one.stat().st_mode & 0o777) for one in made if one.is_dir()} == {"0o700"}
    assert (cli.directory / "a").stat().st_mode & 0o777 == 0o644


def test_cache_writable_by_others_is_refused(cli: CliRunner, places: tuple[Path, Path]) -> None:
    cli.declare_widgets("a")
    assert cli.run("plan").code == 0
    places[0].chmod(0o777)
    for verb in ("plan", "apply", "check", "graph"):
        refused = cli.run(verb)
        assert refused.code == (1 if verb == "check" else 77)
        assert f"unsafe: `{places[0]}`" in refused.err
    assert cli.read_widget("a") is None


def edit(memo: Memo, name: str, old: str, new: str) -> None:
    path = memo.cli.directory / name
    path.write_text(path.read_text().replace(old, new))


CHANGES: dict[str, Callable[[Memo], object]] = {
    "the declaration": lambda memo: edit(memo, "widgets.toml", 'text = "b"', 'text = "B"'),
    "a file that it names": lambda memo: edit(memo, "text.txt", "hello", "Hello"),
    "a source file": lambda memo: edit(memo, "library/code.py", "1", "2"),
    "a new source file": lambda memo: memo.cli.declare("", "library/more.py"),
    "a mode": lambda memo: (memo.cli.directory / "library/code.py").chmod(0o755),
    "a file gone": lambda memo: (memo.cli.directory / "library/code.py").unlink(),
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
    (memo.cli.directory / "text.txt").unlink()
    with pytest.raises(Exception, match="1 problem"):
        memo.load()


def test_cache_stores_no_invalid_declaration(memo: Memo) -> None:
    (memo.cli.directory / "text.txt").unlink()
    with pytest.raises(Exception, match="1 problem"):
        memo.load()
    assert memo.cache_files() == []
    memo.cli.declare("hello", "text.txt")
    assert len(memo.load()) == 2


def test_cache_hits_after_build_artifacts_were_added(memo: Memo) -> None:
    memo.load()
    for name in ("build/lib/x.py", "__pycache__/code.pyc", "x.egg-info/PKG-INFO", ".git/HEAD"):
        memo.cli.declare("new", f"library/{name}")
    with memo.reading_nothing():
        memo.load()


def _sealed(whole: bytes) -> bytes:
    return f"{sha256(whole)}\n".encode() + whole


def _other(content: bytes, **keys: object) -> bytes:
    return _sealed(json.dumps({**json.loads(content.partition(b"\n")[2]), **keys}).encode())


ODD: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _content: b"",
    "half of it": lambda content: content[: len(content) // 2],
    "all but a byte": lambda content: content[:-1],
    "zeros": lambda content: b"\0" * len(content),
    "the end zeroed": lambda content: content[:-100] + b"\0" * 100,
    "one letter of a text": lambda content: content.replace(b'"hello"', b'"hallo"'),
    "a path changed": lambda content: content.replace(b"project/a", b"project/z"),
    "not UTF-8": lambda content: b"\xff\xfe" + content,
    "two of them": lambda content: content + content,
    "no object": lambda _content: _sealed(b"[1]"),
    "nested": lambda _content: _sealed(b"[" * 100_000),
    "no resources": lambda content: _other(content, resources=None),
    "an unknown kind": lambda content: _other(content, resources=[{"kind": "x", "spec": {}}]),
    "an unknown field": lambda content: _other(
        content,
        resources=[{"kind": "widget", "name": "a", "spec": {"zzz": 1}, "needs": [], "file": ""}],
    ),
    "a field missing": lambda content: _other(
        content, resources=[{"kind": "widget", "name": "a", "spec": {}, "needs": [], "file": ""}]
    ),
    "files of another shape": lambda content: _other(content, files=[1, 2]),
}


@pytest.mark.parametrize("how", ODD)
def test_damaged_cache_file_is_ignored(memo: Memo, how: str) -> None:
    resources = memo.load()
    (cache_file,) = memo.cache_files()
    cache_file.write_bytes(ODD[how](cache_file.read_bytes()))
    assert memo.load() == resources
    with memo.reading_nothing():
        assert memo.load() == resources


def test_cache_file_replaced_by_a_directory_is_ignored(memo: Memo) -> None:
    resources = memo.load()
    (cache_file,) = memo.cache_files()
    cache_file.unlink()
    cache_file.mkdir()
    assert memo.load() == resources


def test_cache_stores_no_password(memo: Memo) -> None:
    memo.cli.declare_widgets("a", a='password = "https://ann:sesame@example.org/"')
    memo.load()
    assert memo.cache_files() == []
    assert memo.load()[0].spec.password == "https://ann:sesame@example.org/"


@pytest.mark.parametrize("what", ["another version", "another kind", "another spec"])
def test_cache_of_another_version_is_ignored(memo: Memo, what: str, monkeypatch) -> None:
    memo.load()
    if what == "another version":
        monkeypatch.setattr(loading, "__version__", "999")
    else:
        kinds = dict(memo.cli.registry().kinds)
        if what == "another kind":
            del kinds["gadget"]
        else:
            monkeypatch.setattr(kinds["widget"].spec, "__fields__", {
                name: field for name, field in kinds["widget"].spec.__fields__.items()
                if name != "enabled"
            })  # fmt: skip
        other = loading.Composition(kinds=kinds, default="widget")
        memo.cli.registry = lambda: other
    with pytest.raises(AssertionError, match="read again"), memo.reading_nothing():
        memo.load()


def test_cache_depends_on_the_directory(memo: Memo) -> None:
    memo.load()
    other = memo.cli.declare(
        (memo.cli.directory / "widgets.toml").read_text(), "there/widgets.toml"
    )
    memo.cli.declare("elsewhere", "there/text.txt")
    memo.cli.declare("x = 1\n", "there/library/code.py")
    found = load(read_texts([str(other)]), memo.cli.registry(), str(memo.cache))
    assert found[0].spec.text == "elsewhere"


def test_directory_is_read_as_its_sorted_toml_files(cli: CliRunner) -> None:
    for name in ("b.toml", "a.toml", "c.txt", "sub/d.toml"):
        cli.declare("", name)
    texts = read_texts([str(cli.directory)])
    assert [Path(one.file).name for one in texts] == ["a.toml", "b.toml"]
    assert {one.folder for one in texts} == {str(cli.directory)}


def test_repeated_file_is_read_once(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    path = str(cli.directory / "widgets.toml")
    assert len(read_texts([path, str(cli.directory), f"{cli.directory}/./widgets.toml"])) == 1


@pytest.mark.parametrize("name", ["gone.toml", "widgets.toml/inside.toml"])
def test_missing_file_is_reported(cli: CliRunner, name: str) -> None:
    cli.declare_widgets("a")
    with pytest.raises(InputMissing, match="no such file"):
        read_texts([str(cli.directory / name)])
    assert cli.invoke("plan", str(cli.directory / name)).code == 66


def test_directory_without_declarations_is_reported(cli: CliRunner) -> None:
    with pytest.raises(InputMissing, match=r"no `\*.toml` in the folder"):
        read_texts([str(cli.directory)])


def test_standard_input_is_relative_to_the_working_directory(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cli.directory)
    result = cli.run("apply", "--json", "-", stdin='[widget.a]\npath = "x"\n')
    assert result.resource("widget.a")["path"] == str(cli.directory / "x")
    assert STDIN == "<stdin>"


@pytest.mark.skipif(os.geteuid() != 0, reason="others may have their own files as they like")
def test_root_refuses_a_world_writable_declaration(cli: CliRunner) -> None:
    path = cli.declare_widgets("a")
    path.chmod(0o666)
    refused = cli.invoke("apply", str(path))
    assert refused.code == 77
    assert "anybody can write" in refused.err and f"chmod o-w {path}" in refused.err
    path.chmod(0o664)
    assert cli.invoke("apply", str(path)).code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_reported(cli: CliRunner) -> None:
    cli.declare_widgets("a").chmod(0)
    with pytest.raises(Forbidden):
        cli.load()


def test_directory_read_skips_lockfiles_and_hidden_files(cli: CliRunner) -> None:
    cli.declare_widgets("a", filename="hosts/a.toml")
    cli.declare_widgets("b", filename="hosts/pylocks.toml")
    for other in (
        "pylock.toml",
        "pylock.web.toml",
        "web.pylock.toml",
        ".next-a.toml",
        ".taplo.toml",
    ):
        cli.declare("no declaration", f"hosts/{other}")
    (cli.directory / "hosts" / ".#a.toml").symlink_to("ann@host.1234")
    (cli.directory / "hosts" / "folder.toml").mkdir()
    read = read_texts([f"{cli.directory}/hosts"])
    assert [os.path.basename(text.file) for text in read] == ["a.toml", "pylocks.toml"]
    assert read_texts([f"{cli.directory}/hosts/.taplo.toml"])[0].content == "no declaration"


def test_file_path_resolves_symlinks_before_dots(cli: CliRunner) -> None:
    (cli.directory / "else" / "inner").mkdir(parents=True)
    (cli.directory / "link").symlink_to("else/inner")
    cli.declare_widgets("a", filename="else/widgets.toml")
    (text,) = read_texts([f"{cli.directory}/link/../widgets.toml"])
    assert (text.folder, text.file) == (
        f"{cli.directory}/else",
        f"{cli.directory}/else/widgets.toml",
    )
