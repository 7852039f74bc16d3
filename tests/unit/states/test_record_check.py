"""An installed environment against the RECORD files of its wheels."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from states.venv.integrity.inspection import Expected, Inspection
from states.venv.integrity.mismatches import RecordMismatch
from states.venv.integrity.pyc_paths import is_bytecode, pyc_path, source_of
from states.venv.integrity.receipt import Package
from states.venv.integrity.wheels.record_check import baseline_digests, check_records
from states.venv.integrity.wheels.records import read_records

SITE = "lib/python3.11/site-packages"
INFO = f"{SITE}/web-1.0.dist-info"
WEB = Package(name="web", version="1.0", content="sha256:aa", wheel=True)
SOURCE = "VERSION = 1\n"


def _row(path: str, content: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=")
    return f"{path},sha256={digest.decode()},{len(content)}\n"


def _write(root: Path, files: dict[str, str]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)


def _install(root: Path, name: str = "web", version: str = "1.0", rows: str = "") -> None:
    metadata = f"Name: {name}\nVersion: {version}\n"
    info = f"{name}-{version}.dist-info"
    record = (
        _row(f"{name}/__init__.py", SOURCE)
        + _row(f"{info}/METADATA", metadata)
        + f"{info}/RECORD,,\n"
        + rows
    )
    files = {f"{name}/__init__.py": SOURCE, f"{info}/METADATA": metadata, f"{info}/RECORD": record}
    _write(root / SITE, files)


class Environment:
    """An environment with one package, and its digests before the installation."""

    def __init__(self, root: Path) -> None:
        self.root = root
        _write(root, {"pyvenv.cfg": "home = /usr/bin\n", "bin/activate": "", "bin/python": ""})
        (root / SITE).mkdir(parents=True)
        self.baseline = baseline_digests(str(root))
        _install(root)

    def check(
        self, *packages: Package, known_records: dict[str, str] | None = None
    ) -> list[Package]:
        """Check the environment and return the packages with their records."""
        expected = Expected(packages or (WEB,), self.baseline, known_records or {})
        return list(self.inspect(expected).packages)

    def inspect(self, expected: Expected) -> Inspection:
        """Check the environment against an expected content."""
        records = read_records(str(self.root), self.baseline, {})
        return check_records(records, expected, {})

    def rejected(
        self, *packages: Package, known_records: dict[str, str] | None = None
    ) -> list[str]:
        """Return the packages that the check reports."""
        with pytest.raises(RecordMismatch) as caught:
            self.check(*packages, known_records=known_records)
        return list(caught.value.packages)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Return an intact environment."""
    return Environment(tmp_path)


def test_intact_environment_is_accepted(environment: Environment) -> None:
    """Each package gets the digest of its RECORD."""
    (package,) = environment.check()
    assert (package.name, package.version) == ("web", "1.0")
    assert package.record


def test_check_returns_owners_digests_and_sources(environment: Environment) -> None:
    """A source without bytecode must be compiled."""
    result = environment.inspect(Expected((WEB,), environment.baseline, {}))
    path = f"{SITE}/web/__init__.py"
    digest = hashlib.sha256(SOURCE.encode()).hexdigest()
    assert result.owners[path] == "web"
    assert result.digests[path] == digest
    assert result.sources == {path: digest}
    assert result.digests["pyvenv.cfg"] == environment.baseline["pyvenv.cfg"]


@pytest.mark.parametrize("occupied", [False, True])
def test_bytecode_never_goes_through_a_symlink(tmp_path: Path, occupied: bool) -> None:
    """Sources are compiled before the check rejects the symlink."""
    environment = Environment(tmp_path / "venv")
    if occupied:
        (tmp_path / "outside").mkdir()
        (environment.root / SITE / "web/__pycache__").symlink_to(tmp_path / "outside")

    sources = read_records(str(environment.root), environment.baseline, {}).sources()

    expected = {f"{SITE}/web/__init__.py": hashlib.sha256(SOURCE.encode()).hexdigest()}
    assert sources == ({} if occupied else expected)
    if occupied:
        environment.rejected()


def _link(file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/null")


BROKEN: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "edited": (lambda root: (root / SITE / "web/__init__.py").write_text("x"), ["web"]),
    "missing": (lambda root: (root / SITE / "web/__init__.py").unlink(), ["web"]),
    "link": (
        lambda root: _link(root / SITE / "web/__init__.py"),
        ["web"],
    ),
    "unlisted file": (lambda root: (root / SITE / "extra.py").touch(), []),
    "environment replaced": (lambda root: (root / "pyvenv.cfg").write_text("x"), []),
    "environment deleted": (lambda root: (root / "bin/activate").unlink(), []),
    "no RECORD": (lambda root: (root / INFO / "RECORD").unlink(), []),
    "invalid RECORD": (lambda root: (root / INFO / "RECORD").write_text("a,md5=AA,1\n"), []),
    "not installed": (lambda root: (root / INFO / "METADATA").unlink(), []),
    "listed without digest": (lambda root: _install(root, rows="web/data,,\n"), ["web"]),
    "outside": (lambda root: _install(root, rows="../../../../etc/x,,\n"), ["web"]),
    "absolute": (lambda root: _install(root, rows="/etc/x,,\n"), ["web"]),
    "metadata directory": (lambda root: _install(root, rows="../../../.converge/x,,\n"), ["web"]),
    "interpreter": (lambda root: _install(root, rows="../../../bin/python3.11,,\n"), ["web"]),
    "activation script": (lambda root: _install(root, rows="../../../bin/activate,,\n"), ["web"]),
    "unrequested": (lambda root: _install(root, "api", "2.0"), ["api"]),
}


@pytest.mark.parametrize(("change", "packages"), BROKEN.values(), ids=BROKEN)
def test_broken_environment_is_rejected(
    environment: Environment, change: Callable[[Path], object], packages: list[str]
) -> None:
    """A mismatch names the packages that may be the cause, or none if any of them may be."""
    change(environment.root)
    assert environment.rejected() == packages


def test_check_of_unlisted_files_takes_linear_time(tmp_path: Path) -> None:
    """A wheel can contain any number of them."""

    def duration(count: int) -> float:
        environment = Environment(tmp_path / str(count))
        package = environment.root / SITE / "web"
        for number in range(count):
            (package / f"extra{number}").touch()
        record = environment.root / INFO / "RECORD"
        record.write_text(
            record.read_text() + "".join(f"web/missing{number},,\n" for number in range(count))
        )
        start = time.process_time()
        assert environment.rejected() == []
        return time.process_time() - start

    assert duration(4_000) < max(0.5, 20 * duration(400))


def test_first_mismatch_is_the_message(environment: Environment) -> None:
    """The message doesn't depend on the hash seed, and names what has no name."""
    for path in ("pyvenv.cfg", "bin/activate", "bin/python"):
        (environment.root / path).unlink()
    with pytest.raises(RecordMismatch, match="deleted `bin/activate`, and 2 more"):
        environment.check()
    (environment.root / SITE / "odd.dist-info").mkdir()
    with pytest.raises(RecordMismatch, match=r"unusable RECORD in .*/odd\.dist-info: "):
        environment.check()
    (environment.root / SITE / "odd.dist-info/RECORD").write_text("odd.dist-info/RECORD,,\n")
    with pytest.raises(RecordMismatch, match="a package without a name wasn't requested"):
        environment.check()


VERSIONS = {"1.0": True, "1": True, "1.0.0": True, "": True, "1.1": False, "odd": False}


@pytest.mark.parametrize(("version", "accepted"), VERSIONS.items())
def test_version_is_compared_as_pep_440_does(
    environment: Environment, version: str, accepted: bool
) -> None:
    """The package gets the installed version; an unbuilt project has none."""
    package = Package(name="web", version=version)
    if accepted:
        assert [each_package.version for each_package in environment.check(package)] == ["1.0"]
    else:
        assert environment.rejected(package) == ["web"]


def test_missing_package_is_rejected(environment: Environment) -> None:
    """Its name is reported."""
    assert environment.rejected(WEB, Package(name="api", version="2.0")) == ["api"]


def test_shared_file_must_be_that_of_the_last_name(environment: Environment) -> None:
    """Two packages may list the same path with different content."""
    api = Package(name="api", version="2.0")
    _install(environment.root, "api", "2.0", _row("web/__init__.py", "other\n"))
    expected = Expected((WEB, api), environment.baseline, {})
    result = environment.inspect(expected)
    path = f"{SITE}/web/__init__.py"
    assert result.owners[path] == "web"
    assert result.overlaps() == (("web", "api", 1, path),)
    for content in ("other\n", "third\n"):
        (environment.root / SITE / "web/__init__.py").write_text(content)
        assert environment.rejected(WEB, api) == ["api", "web"]


def test_identical_shared_file_isnt_an_overlap(environment: Environment) -> None:
    """Even if the RECORD files use different hashes."""
    api = Package(name="api", version="2.0")
    strong = base64.urlsafe_b64encode(hashlib.sha512(SOURCE.encode()).digest()).decode()
    _install(environment.root, "api", "2.0", f"web/__init__.py,sha512={strong},12\n")
    expected = Expected((WEB, api), environment.baseline, {})
    result = environment.inspect(expected)
    assert result.overlaps() == ()


def test_bytecode_of_wheel_is_deleted(environment: Environment) -> None:
    """Bytecode isn't trusted, listed or not."""
    name = "web/__pycache__/__init__.cpython-311.pyc"
    _install(environment.root, rows=_row(name, "code"))
    _write(environment.root / SITE, {name: "code"})
    environment.check()
    assert not (environment.root / SITE / name).exists()


def test_signature_of_record_is_accepted(environment: Environment) -> None:
    """RECORD can't list a signature of itself."""
    _write(environment.root, {f"{INFO}/RECORD.jws": "{}"})
    environment.check()


def test_record_digest_must_match_first_installation(environment: Environment) -> None:
    """A poisoned cache brings a consistent but different RECORD."""
    (package,) = environment.check()
    first_records = {"web sha256:aa": package.record}
    assert environment.check(known_records=first_records) == [package]
    _write(environment.root / SITE, {"web/extra.py": ""})
    _install(environment.root, rows=_row("web/extra.py", ""))
    assert environment.rejected(known_records=first_records) == ["web"]
    assert environment.check(known_records={"web sha256:bb": package.record})
    assert environment.check(known_records={"web sha256:aa": "of an older form"})


def test_record_digest_is_the_same_for_any_python(tmp_path: Path) -> None:
    """The directory of the version, scripts and the installer's files don't count."""
    newer = Environment(tmp_path / "a")
    (first,) = newer.check()
    older = Environment(tmp_path / "b")
    (older.root / "lib/python3.11").rename(older.root / "lib/python3.9")
    older.baseline = {}
    info = older.root / "lib/python3.9/site-packages/web-1.0.dist-info"
    (info / "INSTALLER").write_text("uv")
    with (info / "RECORD").open("a") as stream:
        stream.write(_row("web-1.0.dist-info/INSTALLER", "uv"))
    for path in ("pyvenv.cfg", "bin/activate", "bin/python"):
        (older.root / path).unlink()
    (second,) = older.check()
    assert first.record == second.record


BYTECODE = {
    "a/__pycache__/b.cpython-311.pyc": True,
    "__pycache__/b.pyc": True,
    "a/b.pyc": False,
    "a/__pycache__/b.py": False,
}


@pytest.mark.parametrize(("path", "expected"), BYTECODE.items())
def test_is_bytecode(path: str, expected: bool) -> None:
    """Only a file in `__pycache__` can have a source."""
    assert is_bytecode(path) is expected


@pytest.mark.parametrize(
    ("library", "tag"),
    [("python3.13t", "cpython-313t"), ("pypy3.9", "pypy39"), ("python3.11", "cpython-311")],
)
def test_bytecode_has_the_tag_of_the_implementation(tmp_path: Path, library: str, tag: str) -> None:
    (tmp_path / "lib" / library).mkdir(parents=True)
    assert pyc_path("b.py", str(tmp_path)) == f"__pycache__/b.{tag}.pyc"


def test_source_and_bytecode_paths_match(tmp_path: Path) -> None:
    """The tag is that of the environment's interpreter."""
    (tmp_path / "lib/python3.9").mkdir(parents=True)
    path = pyc_path("a/b.py", str(tmp_path))
    assert path == "a/__pycache__/b.cpython-39.pyc"
    assert source_of(path) == "a/b.py"
    assert source_of("__pycache__/b.cpython-39.opt-1.pyc") == "b.py"
