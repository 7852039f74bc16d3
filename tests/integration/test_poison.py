"""Nothing around the command leads it, or the tools below it, astray."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import stock
from tests.integration.host import ROOT, Host
from tests.support.index import Index
from tests.support.wheels import make_wheel


@pytest.fixture
def astray(host: Host, index: Index) -> Host:
    """A host in whose surroundings all leads to an index with a newer, evil `beta`."""
    stock(host.wheels)
    make_wheel(index.directory, "beta", "9.0", files={"beta/__init__.py": "__version__ = 'evil'\n"})
    canary = host.folder / "canary"
    poison = host.folder / "poison"
    poison.mkdir()
    for name in ("sitecustomize", "usercustomize", "uv", "virtualenv", "pydantic", "tomli"):
        (poison / f"{name}.py").write_text(f"open({str(canary)!r}, 'a').write({name!r})\n")
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
        "UV_CONSTRAINT": str(host.write("beta==9.0\n", "evil.txt")),
        "UV_OVERRIDE": str(host.folder / "evil.txt"),
        "UV_PRERELEASE": "allow",
        "UV_RESOLUTION": "lowest",
        "UV_LINK_MODE": "symlink",
        "UV_CACHE_DIR": str(host.folder / "evil-cache"),
        "UV_PYTHON": "/nonexistent",
        "UV_SYSTEM_PYTHON": "1",
        "UV_TARGET": str(host.folder / "evil-target"),
        "UV_CONFIG_FILE": str(host.folder / "uv.toml"),
        "UV_NO_BUILD": "1",
        "PIP_FIND_LINKS": str(index.directory),
        "PIP_TARGET": str(host.folder / "evil-target"),
        "PIP_CONSTRAINT": str(host.folder / "evil.txt"),
        "VIRTUAL_ENV": str(host.folder / "evil-venv"),
        "CONDA_PREFIX": str(host.folder / "evil-venv"),
        "VIRTUALENV_SYSTEM_SITE_PACKAGES": "1",
        "VIRTUALENV_PROMPT": "evil",
        "PYTHONUSERBASE": str(poison),
        "PYTHONSTARTUP": str(poison / "sitecustomize.py"),
        "PYTHONOPTIMIZE": "2",
        "LD_LIBRARY_PATH": str(poison),
        "TMPDIR": str(poison),
        "XDG_CONFIG_HOME": str(host.folder / "home/.config"),
        "GIT_DIR": str(poison),
    }
    return host


def test_the_surroundings_change_nothing(astray: Host, index: Index) -> None:
    astray.declare(["alpha", "beta"])

    astray.converges()

    assert astray.versions() == {"alpha": "1.1", "beta": "2.0"}
    assert index.requests == []
    config = (astray.generation / "pyvenv.cfg").read_text()
    assert "include-system-site-packages = false" in config
    assert "evil" not in config
    assert not (astray.folder / "canary").exists()
    assert not list(astray.folder.glob("evil-[ctv]*"))
    assert not [one for one in astray.site.rglob("*") if one.is_symlink()]


def test_the_surroundings_name_no_index_where_the_declaration_does(
    astray: Host, index: Index, tmp_path: Path
) -> None:
    with Index(tmp_path / "wheels") as declared:
        astray.declare(["beta"], find_links=[], no_index=False, index_url=declared.url)

        astray.applied()

        assert astray.versions() == {"beta": "2.0"}
        assert index.requests == []
        assert declared.requests


def test_a_python_path_reaches_no_tool_and_no_environment(astray: Host) -> None:
    """The command itself is protected by how it is installed; what it starts is by itself."""
    poison = astray.folder / "poison"
    for one in poison.iterdir():
        one.unlink()
    canary = astray.folder / "canary"
    for name in ("sitecustomize", "usercustomize", "_virtualenv"):
        (poison / f"{name}.py").write_text(
            "import sys\n"
            f"if sys.prefix != {str(Path(astray.program).parents[1])!r}:\n"
            f"    open({str(canary)!r}, 'a').write(sys.prefix)\n"
        )
    astray.declare(["alpha", "beta"])

    done = astray.apply(env={"PYTHONPATH": f"{ROOT}:{poison}"})

    assert done.code == 0, done.err
    assert not canary.exists()
