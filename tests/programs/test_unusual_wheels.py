"""Wheels on the package index whose RECORD is wrong, and packages with the same files."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.host import MINOR, Host
from tests.integration.test_reproducible import content
from tests.support.command import changes

pytestmark = [pytest.mark.programs, pytest.mark.network]

WHEELS = {"sentry-cli": "3.8.2", "fmpy": "0.3.15"}


@pytest.mark.parametrize(("name", "version"), WHEELS.items())
def test_wheel_with_a_wrong_record_needs_an_exception(host: Host, name: str, version: str) -> None:
    keys: dict[str, Any] = {"find_links": [], "no_index": False}
    host.declare([f"{name}=={version}"], **keys)
    failed = host.apply()
    assert failed.code == 81
    assert f'accept-record-mismatch = ["{name}"]' in failed.first["error"]["hint"]
    host.declare([f"{name}=={version}"], accept_record_mismatch=[name], **keys)

    host.apply_ok()

    host.assert_no_changes()
    assert host.run("verify", "converge.toml").code == 0


def test_wheel_with_hexadecimal_digests_is_installed(host: Host) -> None:
    host.declare(["furo==2022.12.7", "sphinx<6"], find_links=[], no_index=False)
    host.apply_ok()
    assert host.run("verify", "converge.toml").code == 0


def test_both_variants_of_opencv_give_the_same_files(host: Host) -> None:
    other = (
        f'[venv.other]\npath = "venvs/other"\npython = "{host.python}"\n'
        'packages = ["opencv-python-headless==4.10.0.84", "opencv-python==4.10.0.84"]\n'
    )
    packages = ["opencv-python==4.10.0.84", "opencv-python-headless==4.10.0.84"]
    host.declare(packages, more=other, find_links=[], no_index=False)

    done = host.apply_ok()

    assert any(text.startswith("opencv-python-headless and") for text in done.report["notices"])
    before, second = content(host.venv), content(host.directory / "venvs/other")
    shared = [path for path in before if "/cv2/" in path]
    assert [path for path in shared if second[path] != before[path]] == []
    edited = "cv2/__init__.py"
    (host.site / edited).write_text("")
    plan = host.plan().first
    assert set(changes(plan)) == {f"file.lib/{MINOR}/site-packages/{edited}", "generation"}
    host.apply_ok()
    assert content(host.venv) == before
