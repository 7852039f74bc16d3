"""The pure parts of `converge import`: names, roots, origins, clones, and references."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import tomli

from states.commands.declarations.names import choose_names
from states.commands.declarations.table import ImportedVenv, format_declaration
from states.system import path_references
from states.system.path_references import Reference, find_references
from states.venv.adoption import origins
from states.venv.adoption.closure import find_roots, marker_environment
from states.venv.adoption.distributions import Distribution, find_distributions
from states.venv.adoption.existing import read_venv
from states.venv.adoption.findings import find_all
from states.venv.adoption.git_clone import read_clone
from states.venv.adoption.origins import parse_origin

ENVIRONMENT = marker_environment("3.11.2", "CPython")
COMMIT = "0123456789" * 4


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/openstack/venvs/nova-31.0.0"], ["nova"]),
        (["/openstack/venvs/nova-31.0.0.dev12", "/openstack/venvs/glance-untagged"],
         ["nova", "glance"]),
        (["/v/nova-stable-2025.1", "/v/os-brick-1.0"], ["nova", "os-brick"]),
        (["/v/nova-31.0.0", "/v/nova-30.0.0"], ["nova-31.0.0", "nova-30.0.0"]),
        (["/srv/web/.venv", "/srv/api/venv"], ["web", "api"]),
        (["/a/web", "/b/web", "/c/web"], ["web", "web-2", "web-3"]),
        (["/v/a.b", "/v/a_b"], ["a.b", "a_b-2"]),
        (["/v/Ünïcode name", "/v/~", "/v/-x"], ["n-code-name", "venv", "x"]),
        (["/v/nova"], ["nova"]),
    ],
)  # fmt: skip
def test_names_follow_from_paths_and_are_unique(paths: list[str], names: list[str]) -> None:
    assert list(choose_names(paths).values()) == names


def package(
    name: str,
    *requires: str,
    requested: bool = False,
    version: str = "1.0",
    extras: tuple[str, ...] = (),
) -> Distribution:
    """Return an installed package."""
    return Distribution(name, version, "", is_requested=requested, requires=requires, extras=extras)


def test_dependencies_of_requested_packages_are_not_roots() -> None:
    roots = find_roots(
        [package("web", "lib", requested=True), package("lib", "deep"), package("deep")],
        ENVIRONMENT,
    )
    assert roots.requested == {"web": ()}
    assert (roots.unrequired, roots.unsatisfied) == ((), ())


def test_extra_is_found_by_its_installed_requirements() -> None:
    requires = ('kafka>=1; extra == "kafka"', 'redis; extra == "redis"', 'rpc; extra == "rpc"')
    web = package("web", *requires, requested=True, extras=("kafka", "redis", "rpc"))
    rpc = package("rpc", version="0.1")
    roots = find_roots([web, package("kafka"), rpc], ENVIRONMENT)
    assert roots.requested == {"web": ("kafka", "rpc")}
    assert roots.unrequired == ()


def test_package_that_nothing_requires_is_reported() -> None:
    roots = find_roots(
        [
            package("web", requested=True),
            package("old", "older"),
            package("older"),
            package("ring", "gnir"),
            package("gnir", "ring"),
            package("pip"),
        ],
        ENVIRONMENT,
    )
    assert roots.unrequired == ("gnir", "old")
    assert roots.seeds == ("pip",)


def test_without_records_of_requests_the_tops_are_requested() -> None:
    roots = find_roots([package("web", "lib"), package("lib"), package("pip")], ENVIRONMENT)
    assert set(roots.requested) == {"web", "pip"}
    assert not roots.is_recorded


def test_markers_are_evaluated_for_the_interpreter_of_the_venv() -> None:
    requires = ("old; python_version < '3.9'", "new; python_version >= '3.9'")
    web = package("web", *requires, requested=True)
    assert find_roots([web], marker_environment("3.8.1", "")).unsatisfied == (
        "web 1.0 requires old, and it isn't installed",
    )
    roots = find_roots([web, package("new"), package("x", "new>=2")], ENVIRONMENT)
    assert roots.unsatisfied == ("x 1.0 requires new>=2, and 1.0 is installed",)


@pytest.mark.parametrize(
    ("document", "url"),
    [
        (
            {"url": "https://git.example/web", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            f"git+https://git.example/web@{COMMIT}",
        ),
        (
            {
                "url": "https://git.example/all",
                "vcs_info": {"vcs": "git", "commit_id": COMMIT},
                "subdirectory": "a/b",
            },
            f"git+https://git.example/all@{COMMIT}#subdirectory=a/b",
        ),
        (
            {"url": "https://files.example/a.whl", "archive_info": {"hash": "sha256=ab"}},
            "https://files.example/a.whl#sha256=ab",
        ),
        (
            {"url": "https://files.example/a.whl", "archive_info": {"hashes": {"sha256": "cd"}}},
            "https://files.example/a.whl#sha256=cd",
        ),
        ({"url": "https://hg.example/a", "vcs_info": {"vcs": "hg", "commit_id": "1"}}, ""),
        ({"url": "file:///gone/project", "dir_info": {}}, ""),
        ({"url": "file:///gone/a-1-py3-none-any.whl", "archive_info": {}}, ""),
        ({"url": "file://", "dir_info": {}}, ""),
        ({"url": "file://", "archive_info": {}}, ""),
    ],
)
def test_origin_becomes_a_reference(document: dict[str, object], url: str) -> None:
    origin = parse_origin(document, "/venv")
    assert origin.url == url
    assert bool(origin.problem) == (not url)


def test_password_of_an_origin_is_dropped_and_reported() -> None:
    origin = parse_origin(
        {"url": "https://ann:hunter2@files.example/a.whl", "archive_info": {}}, "/venv"
    )
    assert origin.url == "https://files.example/a.whl"
    assert "netrc" in origin.problem


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"url": 'https://x/"\n[command.x]', "dir_info": {}},
        {"url": "https://x", "vcs_info": {"vcs": "git", "commit_id": "a b"}},
        {"url": "https://x", "archive_info": {"hash": "sha256=a\nb"}},
        {"url": "x", "dir_info": {}},
        {"url": "https://x", "dir_info": 3},
    ],
)
def test_invalid_origin_is_an_error(document: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        parse_origin(document, "/venv")


def test_unreadable_project_is_not_replaced_by_the_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(path: str) -> bool:
        raise PermissionError(errno.EACCES, "permission denied", path)

    monkeypatch.setattr(origins, "exists", fail)
    assert (
        parse_origin({"url": "file:///srv/web", "dir_info": {}}, "/venv").url == "file:///srv/web"
    )


@pytest.mark.parametrize("content", [b"", b"../src\n.\n", b"\xff\n"])
def test_egg_link_without_a_directory_is_reported(tmp_path: Path, content: bytes) -> None:
    site = tmp_path / "lib/python3.11/site-packages"
    site.mkdir(parents=True)
    (site / "web.egg-link").write_bytes(content)

    (web,), _ = find_distributions(str(tmp_path))

    assert (web.name, web.pin()) == ("web", "")
    assert web.origin is not None
    assert web.origin.problem == "has an `.egg-link` without a directory"


def make_clone(directory: Path) -> Path:
    """Write the files of a clone that has a branch."""
    git = directory / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "config").write_text('[core]\n\tbare = false\n[remote "origin"]\n\turl = https://g/w\n')
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "refs/heads/main").write_text(f"{COMMIT}\n")
    return git


def test_clone_names_its_remote_and_its_commit(tmp_path: Path) -> None:
    git = make_clone(tmp_path)
    assert read_clone(str(tmp_path)) == ("https://g/w", COMMIT)
    (git / "refs/heads/main").unlink()
    (git / "packed-refs").write_text(f"# pack-refs\n{COMMIT} refs/heads/main\n")
    assert read_clone(str(tmp_path)) == ("https://g/w", COMMIT)
    (git / "HEAD").write_text(COMMIT)
    assert read_clone(str(tmp_path)) == ("https://g/w", COMMIT)
    (git / "HEAD").write_text("ref: ../../../etc/passwd\n")
    assert read_clone(str(tmp_path)) is None


def test_references_of_the_host_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    units = tmp_path / "etc/systemd/system"
    (units / "nova-api.service.d").mkdir(parents=True)
    path = "/openstack/venvs/nova-31.0.0"
    (units / "nova.service").write_text(f"[Service]\nExecStart=-{path}/bin/nova\n")
    (units / "nova-api.service.d" / "x.conf").write_text(f"Environment=PATH={path}/bin\n")
    (tmp_path / "etc/other").write_text(f"/mnt{path}\n{path}.old\n{path}-2\n")
    (tmp_path / "etc/large").write_text(path + "x" * (1 << 20))
    (tmp_path / "etc/nova").symlink_to(
        "../../../../../../../../openstack/venvs/nova-31.0.0/etc/nova"
    )
    (tmp_path / "etc/nova-manage").symlink_to(f"{path}/bin/nova-manage")
    (tmp_path / "etc/elsewhere").symlink_to(f"{path}.old/bin")
    monkeypatch.setattr(path_references, "PLACES", (f"{tmp_path}/etc", f"{tmp_path}/gone"))

    references, unreadable = find_references([path])

    assert unreadable == []
    by_name = {reference.file.removeprefix(f"{tmp_path}/etc/"): reference
               for reference in references[path]}  # fmt: skip
    assert set(by_name) == {
        "nova", "nova-manage", "systemd/system/nova.service",
        "systemd/system/nova-api.service.d/x.conf",
    }  # fmt: skip
    assert by_name["systemd/system/nova.service"].unit == "nova.service"
    assert by_name["systemd/system/nova.service"].line == 2
    assert by_name["systemd/system/nova-api.service.d/x.conf"].unit == "nova-api.service"


def test_declaration_has_links_and_comments(tmp_path: Path) -> None:
    site = tmp_path / "venv/lib/python3.11/site-packages"
    (site / "evil-1.0.dist-info").mkdir(parents=True)
    (site / "evil-1.0.dist-info/METADATA").write_text("Name: evil\nVersion: 1.0\n")
    (site / 'x\n[command.evil]\nargv = ["reboot"]').write_text("")
    path = str(tmp_path / "venv")
    existing = read_venv(path)
    references = (
        Reference("/usr/local/bin/evil", target=f"{path}/bin/evil"),
        Reference("/usr/local/bin/python", target=f"{path}/bin/python"),
        Reference("/etc/nova", target="../venv/etc/nova"),
        Reference("/etc/systemd/system/evil.service", 3),
    )
    venv = ImportedVenv("evil", existing, tuple(find_all(existing)), references, {"lock": "l"})

    text = format_declaration([venv], {})

    declared = tomli.loads(text)
    assert set(declared) == {"defaults", "venv", "link"}
    assert declared["link"] == {"/usr/local/bin/evil": {"to": "venv.evil:bin/evil"}}
    for shown in ("/usr/local/bin/python", "/etc/nova", "evil.service (line 3)"):
        assert f"#     {shown}" in text or f"{shown}\n" in text
    assert '# argv = [\n#     "systemctl"' in text
    assert max(map(len, text.splitlines())) < 200


def test_directories_with_files_of_users_are_persistent(tmp_path: Path) -> None:
    root = tmp_path / "venv"
    info = root / "lib/python3.11/site-packages/web-1.0.dist-info"
    files = {
        "etc/web/web.conf": "",
        "share/web/edited.ini": "changed",
        "share/doc/unedited.txt": "",
        "var/lib/web/data.db": "",
        "var/run": "",
        "log/\udcff/web.log": "",
        "bin/deploy": "",
        "top.txt": "",
    }
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Name: web\nVersion: 1.0\n")
    empty = "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0"
    listed = ("share/web/edited.ini", "share/doc/unedited.txt")
    (info / "RECORD").write_text("".join(f"../../../{name},{empty}\n" for name in listed))

    existing = read_venv(str(root))

    assert existing.persistent == ("etc/web", "share/web", "var")
    assert existing.unowned() == ["bin/deploy", "log/\udcff/web.log", "top.txt"]
    assert [file.path for file in existing.edited_files(persistent=True)] == [listed[0]]
