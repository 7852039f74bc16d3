"""A process may have files open on a file system whose server doesn't answer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.host import Host
from tests.support import stalled_mount


@pytest.fixture
def waiting_process(tmp_path: Path) -> Iterator[int]:
    """Yield the ID of a process that waits for such a server, and has a file open there."""
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("mounting requires root and /dev/fuse")
    (tmp_path / "mount").mkdir()
    command = ["unshare", "--mount", "--propagation", "private", sys.executable]
    with subprocess.Popen(
        [*command, stalled_mount.__file__, tmp_path / "mount"], stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line:
            pytest.skip("FUSE mounts aren't allowed here")
        try:
            yield int(line)
        finally:
            server.kill()  # The kernel then ends each request with an error.


def test_unreachable_mount_of_another_process_blocks_nothing(
    applied_host: Host, waiting_process: int
) -> None:
    host = applied_host
    host.declare(["alpha", "beta==2.0"], keep=0)

    for arguments in (["apply"], ["status"], ["gc", "--keep", "0"]):
        completed = host.run(*arguments, "converge.toml", prefix=["timeout", "60"])
        assert completed.code == 0, (arguments, completed.err)
    assert host.generations() == [host.generation.name]
    assert os.path.exists(f"/proc/{waiting_process}")
