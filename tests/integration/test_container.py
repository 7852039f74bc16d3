"""converge works in a container, where files of the image can be deleted but not renamed."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from engine.system import linux
from states.venv.generations.access import create_store
from states.venv.generations.generation import Generation
from states.venv.generations.recovery import find_unfinished
from states.venv.generations.store import live_id, publish
from states.venv.layout import store_of
from tests.integration.host import Host
from tests.integration.mount_namespaces import mount_namespace, overlay, small_disk

if TYPE_CHECKING:
    from states.venv.integrity.receipt import Receipt


def test_generations_from_an_image_are_deleted(host_with_wheels: Host) -> None:
    for version in ("1.0", "1.1"):
        host_with_wheels.declare([f"alpha=={version}"])
        host_with_wheels.apply_ok()
    host_with_wheels.declare(["alpha==1.0", "beta<2"], keep=0)
    with mount_namespace(
        overlay(host_with_wheels.directory), host_with_wheels.directory
    ) as in_namespace:
        result = host_with_wheels.apply_ok(prefix=in_namespace)
        again = host_with_wheels.apply_ok(prefix=in_namespace)
        history = host_with_wheels.run("history", "converge.toml", "app", prefix=in_namespace)
        verified = host_with_wheels.run("verify", "converge.toml", prefix=in_namespace)

    assert result.report["changed"]
    assert not again.report["changed"]
    assert [line for line in history.out.splitlines() if "000001-" in line] == []
    assert verified.code == 0, verified.out


def test_unmanaged_directory_from_an_image_is_kept_with_a_hint(
    host_with_wheels: Host,
) -> None:
    host_with_wheels.declare(["beta<2"], adopt=True)
    host_with_wheels.venv.mkdir(parents=True)
    (host_with_wheels.venv / "data.txt").touch()
    with mount_namespace(
        overlay(host_with_wheels.directory), host_with_wheels.directory
    ) as in_namespace:
        refused = host_with_wheels.apply(prefix=in_namespace)
        listing = subprocess.run(
            [*in_namespace, "ls", str(host_with_wheels.venv)], stdout=subprocess.PIPE, text=True
        )
        copy_script = 'cp -a "$1" "$1.copy" && rm -r "$1" && mv "$1.copy" "$1"'
        subprocess.run(
            [*in_namespace, "sh", "-c", copy_script, "sh", str(host_with_wheels.venv)], check=True
        )
        adopted = host_with_wheels.apply_ok(prefix=in_namespace)

    assert refused.code == 1
    assert refused.first["error"]["message"].endswith(
        f"cross-device link: `{host_with_wheels.venv}`"
    )
    assert "`cp -a`" in refused.first["error"]["hint"]
    assert listing.stdout == "data.txt\n"
    assert adopted.report["changed"]


def test_inode_numbers_with_the_highest_bit_are_cached(host_with_wheels: Host) -> None:
    """Overlayfs uses the highest bit to distinguish its file systems, as on a live medium."""
    host_with_wheels.declare(["beta<2"])
    host_with_wheels.apply_ok()
    with mount_namespace(
        overlay(host_with_wheels.directory, "xino=on"), host_with_wheels.directory
    ) as in_namespace:

        def file_stat(template: str, name: str) -> str:
            argv = [*in_namespace, "stat", "-c", template, str(host_with_wheels.generation / name)]
            return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True).stdout

        if int(file_stat("%i", "pyvenv.cfg")) < 1 << 63:
            pytest.skip("the inode numbers of the lower file system leave no bit free")
        host_with_wheels.apply_ok(prefix=in_namespace)
        cached_stats = file_stat("%i %z", ".converge/stats")
        again = host_with_wheels.apply_ok(prefix=in_namespace)

        assert not again.report["changed"]
        assert file_stat("%i %z", ".converge/stats") == cached_stats


def test_store_on_its_own_file_system_is_an_error(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta"])
    host_with_wheels.store.mkdir(parents=True)
    with mount_namespace(
        small_disk(host_with_wheels.store, "8m"), host_with_wheels.directory
    ) as in_namespace:
        refused = host_with_wheels.apply(prefix=in_namespace)

    assert refused.code == 1
    assert refused.first["error"]["message"].endswith(
        f"cross-device link: `{host_with_wheels.venv}`"
    )
    assert "on one file system" in refused.first["error"]["hint"]


@pytest.mark.parametrize("error_number", [errno.EOPNOTSUPP, errno.ENOSYS])
def test_empty_directory_is_replaced_without_rename_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error_number: int
) -> None:
    """Some file systems that a container shares with its host can't exchange names."""

    def refuse(path: str, _: str) -> None:
        raise OSError(error_number, os.strerror(error_number), path)

    monkeypatch.setattr(linux, "exchange_names", refuse)
    path = tmp_path / "app"
    store = store_of(str(path))
    generation = Generation(store.generation("000001-0a0b0c0d"), cast("Receipt", None))
    create_store(store, str(path))
    path.mkdir()
    (path / "data.txt").touch()
    with pytest.raises(OSError, match=os.strerror(error_number)):
        publish(store, generation)
    assert os.listdir(path) == ["data.txt"]
    (path / "data.txt").unlink()
    publish(store, generation)

    assert live_id(store) == "000001-0a0b0c0d"
    assert find_unfinished(store) == []


def test_empty_directory_from_an_image_is_replaced(host_with_wheels: Host) -> None:
    host_with_wheels.declare(["beta<2"])
    host_with_wheels.venv.mkdir(parents=True)
    with mount_namespace(
        overlay(host_with_wheels.directory), host_with_wheels.directory
    ) as in_namespace:
        host_with_wheels.apply_ok(prefix=in_namespace)
        again = host_with_wheels.apply_ok(prefix=in_namespace)

    assert not again.report["changed"]
