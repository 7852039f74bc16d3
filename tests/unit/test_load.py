"""Loading declarations, with and without the cache of parsed declarations."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.declaration import cache
from engine.declaration.load import load_declaration, read_sources
from engine.declaration.source_file import STDIN
from engine.errors import NoInput, PermissionDenied
from engine.frozen import replace
from engine.resource import Resource
from engine.system.files import sha256
from tests.unit.cli_runner import CliRunner


class CachedDeclaration:
    """A declaration and its cache."""

    def __init__(self, cli: CliRunner, cache: Path) -> None:
        self.cli = cli
        self.cache = cache

    def load(self) -> tuple[Resource, ...]:
        return load_declaration(self.cli.read_sources(), self.cli.registry(), str(self.cache))

    def cache_files(self) -> list[Path]:
        return sorted(self.cache.glob("declarations/*"))

    @contextmanager
    def without_parsing(self) -> Iterator[None]:
        """Fail if a declaration is parsed: a cache hit must not parse."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("engine.declaration.build.build_declaration", _fail)
            yield


def _fail(*_arguments: object) -> None:
    raise AssertionError("the declaration was parsed")


@pytest.fixture
def cached(cli: CliRunner, places: tuple[Path, Path]) -> CachedDeclaration:
    cli.declare("hello", "text.txt")
    cli.declare("x = 1\n", "library/code.py")
    cli.declare_widgets(
        "b", "a", b='copies = "widget.a"\ntags = ["x", "library"]', a='read-from = "text.txt"'
    )
    return CachedDeclaration(cli, places[0])


def test_cache_hit_returns_the_same_resources(cached: CachedDeclaration) -> None:
    resources = cached.load()
    with cached.without_parsing():
        assert cached.load() == resources
    assert [resource.address for resource in resources] == ["widget.a", "widget.b"]


def test_cache_hit_restores_tuples(cached: CachedDeclaration) -> None:
    cached.load()
    spec = cached.load()[1].spec
    assert spec.tags == ("x", "library")
    assert hash(spec) == hash(cached.load()[1].spec)


def test_cache_file_is_private(cached: CachedDeclaration) -> None:
    cached.load()
    (cache_file,) = cached.cache_files()
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
    paths = [path for root in places for path in (root.parent, root, *root.rglob("*"))]
    modes = {oct(path.stat().st_mode & 0o777) for path in paths if path.is_dir()}
    assert modes == {"0o700"}
    assert (cli.directory / "a").stat().st_mode & 0o777 == 0o644


def test_cache_writable_by_others_is_refused(cli: CliRunner, places: tuple[Path, Path]) -> None:
    cli.declare_widgets("a")
    assert cli.run("plan").code == 0
    places[0].chmod(0o777)
    for command in ("plan", "apply", "check", "validate", "graph"):
        result = cli.run(command)
        assert result.code == (1 if command == "check" else 77)
        assert f"unsafe directory `{places[0]}`" in result.err
    assert cli.read_widget("a") is None


def edit(cached: CachedDeclaration, name: str, old: str, new: str) -> None:
    path = cached.cli.directory / name
    path.write_text(path.read_text().replace(old, new))


CHANGES: dict[str, Callable[[CachedDeclaration], object]] = {
    "the declaration": lambda cached: edit(cached, "widgets.toml", 'text = "b"', 'text = "B"'),
    "an input file": lambda cached: edit(cached, "text.txt", "hello", "Hello"),
    "a source file": lambda cached: edit(cached, "library/code.py", "1", "2"),
    "a new source file": lambda cached: cached.cli.declare("", "library/more.py"),
    "a file mode": lambda cached: (cached.cli.directory / "library/code.py").chmod(0o755),
    "a deleted source file": lambda cached: (cached.cli.directory / "library/code.py").unlink(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_cache_misses_after_an_input_changed(cached: CachedDeclaration, change: str) -> None:
    before = cached.load()
    CHANGES[change](cached)
    with pytest.raises(AssertionError, match="was parsed"), cached.without_parsing():
        cached.load()
    assert cached.load() != before


def test_cache_misses_after_an_input_was_deleted(cached: CachedDeclaration) -> None:
    cached.load()
    (cached.cli.directory / "text.txt").unlink()
    with pytest.raises(Exception, match="1 error"):
        cached.load()


def test_cache_stores_no_declaration_with_a_signed_input(
    cached: CachedDeclaration,
) -> None:
    edit(cached, "text.txt", "hello", "see https://example.org/x.whl?sig=abc")
    cached.load()
    assert cached.cache_files() == []


def test_cache_stores_no_invalid_declaration(cached: CachedDeclaration) -> None:
    (cached.cli.directory / "text.txt").unlink()
    with pytest.raises(Exception, match="1 error"):
        cached.load()
    assert cached.cache_files() == []
    cached.cli.declare("hello", "text.txt")
    assert len(cached.load()) == 2


def test_cache_hits_after_a_file_without_influence_was_added(cached: CachedDeclaration) -> None:
    """The digest function of the kind decides which files count."""
    cached.load()
    cached.cli.declare("new", "library/.hidden")
    with cached.without_parsing():
        cached.load()


def _with_checksum(document: bytes) -> bytes:
    return f"{sha256(document)}\n".encode() + document


def _replace_keys(content: bytes, **keys: object) -> bytes:
    return _with_checksum(json.dumps({**json.loads(content.partition(b"\n")[2]), **keys}).encode())


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _content: b"",
    "first half": lambda content: content[: len(content) // 2],
    "last byte missing": lambda content: content[:-1],
    "zeros": lambda content: b"\0" * len(content),
    "end zeroed": lambda content: content[:-100] + b"\0" * 100,
    "one letter changed": lambda content: content.replace(b'"hello"', b'"hallo"'),
    "a path changed": lambda content: content.replace(b"project/a", b"project/z"),
    "not UTF-8": lambda content: b"\xff\xfe" + content,
    "duplicated": lambda content: content + content,
    "not an object": lambda _content: _with_checksum(b"[1]"),
    "deeply nested": lambda _content: _with_checksum(b"[" * 100_000),
    "no resources": lambda content: _replace_keys(content, resources=None),
    "an unknown kind": lambda content: _replace_keys(
        content, resources=[{"kind": "x", "spec": {}}]
    ),
    "an unknown field": lambda content: _replace_keys(
        content,
        resources=[{"kind": "widget", "name": "a", "spec": {"zzz": 1}, "needs": [], "file": ""}],
    ),
    "a missing field": lambda content: _replace_keys(
        content, resources=[{"kind": "widget", "name": "a", "spec": {}, "needs": [], "file": ""}]
    ),
    "files of a wrong type": lambda content: _replace_keys(content, files=[1, 2]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_cache_file_is_ignored(cached: CachedDeclaration, damage: str) -> None:
    resources = cached.load()
    (cache_file,) = cached.cache_files()
    cache_file.write_bytes(DAMAGES[damage](cache_file.read_bytes()))
    assert cached.load() == resources
    with cached.without_parsing():
        assert cached.load() == resources


def test_cache_file_replaced_by_a_directory_is_ignored(cached: CachedDeclaration) -> None:
    resources = cached.load()
    (cache_file,) = cached.cache_files()
    cache_file.unlink()
    cache_file.mkdir()
    assert cached.load() == resources


def test_cache_stores_no_password(cached: CachedDeclaration) -> None:
    cached.cli.declare_widgets("a", a='password = "https://ann:sesame@example.org/"')
    cached.load()
    assert cached.cache_files() == []
    assert cached.load()[0].spec.password == "https://ann:sesame@example.org/"


@pytest.mark.parametrize("program", ["another version", "another kind", "another spec"])
def test_cache_of_another_version_is_ignored(
    cached: CachedDeclaration, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached.load()
    if program == "another version":
        monkeypatch.setattr(cache, "__version__", "999")
    else:
        kinds = dict(cached.cli.registry().kinds)
        if program == "another kind":
            del kinds["gadget"]
        else:
            monkeypatch.setattr(kinds["widget"].spec, "__fields__", {
                name: field for name, field in kinds["widget"].spec.__fields__.items()
                if name != "enabled"
            })  # fmt: skip
        registry = replace(cached.cli.registry(), kinds=kinds)
        cached.cli.registry = lambda: registry
    with pytest.raises(AssertionError, match="was parsed"), cached.without_parsing():
        cached.load()


def test_cache_depends_on_the_directory(cached: CachedDeclaration) -> None:
    cached.load()
    other = cached.cli.declare(
        (cached.cli.directory / "widgets.toml").read_text(), "other/widgets.toml"
    )
    cached.cli.declare("elsewhere", "other/text.txt")
    cached.cli.declare("x = 1\n", "other/library/code.py")
    resources = load_declaration(
        read_sources([str(other)], cached.cli.registry()), cached.cli.registry(), str(cached.cache)
    )
    assert resources[0].spec.text == "elsewhere"


def test_directory_is_read_as_its_sorted_toml_files(cli: CliRunner) -> None:
    for name in ("b.toml", "a.toml", "c.txt", "sub/d.toml"):
        cli.declare("", name)
    sources = read_sources([str(cli.directory)], cli.registry())
    assert [Path(source.file).name for source in sources] == ["a.toml", "b.toml"]
    assert {source.directory for source in sources} == {str(cli.directory)}


def test_repeated_file_is_read_once(cli: CliRunner) -> None:
    cli.declare_widgets("a")
    path = str(cli.directory / "widgets.toml")
    assert (
        len(
            read_sources(
                [path, str(cli.directory), f"{cli.directory}/./widgets.toml"], cli.registry()
            )
        )
        == 1
    )


@pytest.mark.parametrize("name", ["gone.toml", "widgets.toml/inside.toml"])
def test_missing_file_is_reported(cli: CliRunner, name: str) -> None:
    cli.declare_widgets("a")
    with pytest.raises(NoInput, match="no such file"):
        read_sources([str(cli.directory / name)], cli.registry())
    assert cli.invoke("plan", str(cli.directory / name)).code == 66


def test_directory_without_declarations_is_reported(cli: CliRunner) -> None:
    with pytest.raises(NoInput, match=r"no `\*.toml` files in the directory"):
        read_sources([str(cli.directory)], cli.registry())


def test_standard_input_is_relative_to_the_working_directory(
    cli: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cli.directory)
    result = cli.run("apply", "--json", "-", stdin='[widget.a]\npath = "x"\n')
    assert result.resource("widget.a")["path"] == str(cli.directory / "x")
    assert STDIN == "<stdin>"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root refuses such files")
def test_root_refuses_a_declaration_writable_by_all(cli: CliRunner) -> None:
    path = cli.declare_widgets("a")
    path.chmod(0o666)
    result = cli.invoke("apply", str(path))
    assert result.code == 77
    assert "world-writable" in result.err and f"chmod o-w {path}" in result.err
    path.chmod(0o664)
    assert cli.invoke("apply", str(path)).code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_unreadable_file_is_reported(cli: CliRunner) -> None:
    cli.declare_widgets("a").chmod(0)
    with pytest.raises(PermissionDenied):
        cli.load()


def test_directory_read_skips_hidden_files_and_directories(cli: CliRunner) -> None:
    cli.declare_widgets("a", filename="hosts/a.toml")
    for name in (".next-a.toml", ".toml", "toml", "a.toml~"):
        cli.declare("not a declaration", f"hosts/{name}")
    (cli.directory / "hosts" / ".#a.toml").symlink_to("ann@host.1234")
    (cli.directory / "hosts" / "directory.toml").mkdir()
    sources = read_sources([f"{cli.directory}/hosts"], cli.registry())
    assert [os.path.basename(source.file) for source in sources] == ["a.toml"]
    (named,) = read_sources([f"{cli.directory}/hosts/.next-a.toml"], cli.registry())
    assert named.content == "not a declaration"


def test_registry_decides_which_files_of_a_directory_are_read(cli: CliRunner) -> None:
    cli.declare_widgets("a", filename="hosts/a.toml")
    cli.declare("not a declaration", "hosts/b.toml")
    registry = replace(cli.registry(), is_declaration=lambda name: name.startswith("a"))
    (source,) = read_sources([f"{cli.directory}/hosts"], registry)
    assert os.path.basename(source.file) == "a.toml"
    (named,) = read_sources([f"{cli.directory}/hosts/b.toml"], registry)
    assert named.content == "not a declaration"


def test_file_path_resolves_symlinks_before_dots(cli: CliRunner) -> None:
    (cli.directory / "target" / "inner").mkdir(parents=True)
    (cli.directory / "link").symlink_to("target/inner")
    cli.declare_widgets("a", filename="target/widgets.toml")
    (source,) = read_sources([f"{cli.directory}/link/../widgets.toml"], cli.registry())
    assert (source.directory, source.file) == (
        f"{cli.directory}/target",
        f"{cli.directory}/target/widgets.toml",
    )


@pytest.mark.parametrize(
    "content",
    ["", " \n\r\n", "# only\n  # comments\n", "{}", "[defaults]", '{"widget": {}}', "[widget]\n"],
)
@pytest.mark.parametrize("source", ["file", "stdin", "directory"])
def test_empty_declaration_is_an_error(cli: CliRunner, content: str, source: str) -> None:
    """A second run reads the cache."""
    cli.declare(content, "hosts/a.toml")
    names = {"file": "hosts/a.toml", "directory": "hosts/", "stdin": "-"}
    argument = "-" if source == "stdin" else f"{cli.directory}/{names[source]}"
    for _ in range(2):
        refused = cli.run("apply", "--json", argument, stdin=content)
        assert refused.code == 65
        assert refused.report["error"]["message"].endswith("declares nothing")
        assert "--allow-empty" in refused.report["error"]["hint"]
        assert cli.run("apply", "--allow-empty", argument, stdin=content).code == 0


def test_one_empty_file_of_a_directory_is_an_error(cli: CliRunner) -> None:
    """Otherwise, `--prune` would delete the resources that it declared before."""
    cli.declare_widgets("a", filename="hosts/a.toml")
    cli.declare("[defaults]\nsize = 2\n", "hosts/defaults.toml")
    assert cli.run("plan", f"{cli.directory}/hosts/").code == 0
    cli.declare("\n", "hosts/b.toml")
    refused = cli.run("plan", f"{cli.directory}/hosts/")
    assert (refused.code, "`b.toml` declares nothing" in refused.err) == (65, True)
