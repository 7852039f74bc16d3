"""Environment variables and configuration files don't affect converge or its tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import make_wheels
from tests.integration.host import Host
from tests.support.command import ROOT
from tests.support.index import Index
from tests.support.wheels import make_wheel


@pytest.fixture
def hostile_host(host: Host, index: Index) -> Host:
    """Return a host whose environment points to an index with a malicious `beta`."""
    make_wheels(host.wheels)
    make_wheel(
        index.directory, "beta", "9.0", files={"beta/__init__.py": "__version__ = 'malicious'\n"}
    )
    canary = host.directory / "canary"
    hostile = host.directory / "hostile"
    hostile.mkdir()
    for name in ("sitecustomize", "usercustomize", "uv", "virtualenv", "pydantic", "tomli"):
        (hostile / f"{name}.py").write_text(f"open({str(canary)!r}, 'a').write({name!r})\n")
    for name in ("pip.conf", ".pip/pip.conf", ".config/pip/pip.conf"):
        host.write(f"[global]\nindex-url = {index.url}\n", f"home/{name}")
    toml = f'index-url = "{index.url}"\n[pip]\nindex-url = "{index.url}"\n'
    host.write(toml, "uv.toml")
    host.write(toml, "home/.config/uv/uv.toml")
    host.write("machine 127.0.0.1 login x password x\n", "home/.netrc")
    host.write(f'[tool.uv]\nindex-url = "{index.url}"\n', "pyproject.toml")
    host.env = {
        **{f"{tool}_INDEX_URL": index.url for tool in ("PIP", "UV")},
        "UV_DEFAULT_INDEX": index.url,
        "UV_EXTRA_INDEX_URL": index.url,
        "UV_INDEX": index.url,
        "UV_FIND_LINKS": str(index.directory),
        "UV_CONSTRAINT": str(host.write("beta==9.0\n", "malicious.txt")),
        "UV_OVERRIDE": str(host.directory / "malicious.txt"),
        "UV_PRERELEASE": "allow",
        "UV_RESOLUTION": "lowest",
        "UV_LINK_MODE": "symlink",
        "UV_CACHE_DIR": str(host.directory / "malicious-cache"),
        "UV_PYTHON": "/nonexistent",
        "UV_SYSTEM_PYTHON": "1",
        "UV_TARGET": str(host.directory / "malicious-target"),
        "UV_CONFIG_FILE": str(host.directory / "uv.toml"),
        "UV_NO_BUILD": "1",
        "PIP_FIND_LINKS": str(index.directory),
        "PIP_TARGET": str(host.directory / "malicious-target"),
        "PIP_CONSTRAINT": str(host.directory / "malicious.txt"),
        "VIRTUAL_ENV": str(host.directory / "malicious-venv"),
        "CONDA_PREFIX": str(host.directory / "malicious-venv"),
        "VIRTUALENV_SYSTEM_SITE_PACKAGES": "1",
        "VIRTUALENV_PROMPT": "malicious",
        "PYTHONUSERBASE": str(hostile),
        "PYTHONSTARTUP": str(hostile / "sitecustomize.py"),
        "PYTHONOPTIMIZE": "2",
        "LD_LIBRARY_PATH": str(hostile),
        "TMPDIR": str(hostile),
        "XDG_CONFIG_HOME": str(host.directory / "home/.config"),
        "GIT_DIR": str(hostile),
    }
    return host


def test_apply_ignores_environment_and_config_files(hostile_host: Host, index: Index) -> None:
    hostile_host.declare(["alpha", "beta"])

    hostile_host.assert_converges()

    assert hostile_host.versions() == {"alpha": "1.1", "beta": "2.0"}
    assert index.requests == []
    config = (hostile_host.generation / "pyvenv.cfg").read_text()
    assert "include-system-site-packages = false" in config
    assert "malicious" not in config
    assert not (hostile_host.directory / "canary").exists()
    assert not list(hostile_host.directory.glob("malicious-[ctv]*"))
    assert not [path for path in hostile_host.site.rglob("*") if path.is_symlink()]


def test_declared_index_overrides_the_environment(
    hostile_host: Host, index: Index, tmp_path: Path
) -> None:
    with Index(tmp_path / "wheels") as declared:
        hostile_host.declare(["beta"], find_links=[], no_index=False, index_url=declared.url)

        hostile_host.apply_ok()

        assert hostile_host.versions() == {"beta": "2.0"}
        assert index.requests == []
        assert declared.requests


def test_pythonpath_reaches_no_tool_and_no_venv(hostile_host: Host) -> None:
    """The installation protects converge. converge protects the processes that it starts."""
    hostile = hostile_host.directory / "hostile"
    for path in hostile.iterdir():
        path.unlink()
    canary = hostile_host.directory / "canary"
    for name in ("sitecustomize", "usercustomize", "_virtualenv"):
        (hostile / f"{name}.py").write_text(
            "import sys\n"
            f"if sys.prefix != {str(Path(hostile_host.program).parents[1])!r}:\n"
            f"    open({str(canary)!r}, 'a').write(sys.prefix)\n"
        )
    hostile_host.declare(["alpha", "beta"])

    done = hostile_host.apply(env={"PYTHONPATH": f"{ROOT}:{hostile}"})

    assert done.code == 0, done.err
    assert not canary.exists()
