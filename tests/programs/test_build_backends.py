"""Build backends that write into the tree of a project, in a Git repository with releases."""

from __future__ import annotations

import pytest

from tests.integration.host import Host
from tests.support.projects import GitProject

pytestmark = [pytest.mark.programs, pytest.mark.network]

PROJECTS = {
    "pbr": {
        "pyproject.toml": '[build-system]\nrequires = ["pbr>=6", "setuptools"]\n'
        'build-backend = "pbr.build"\n',
        "setup.cfg": "[metadata]\nname = app\n[files]\npackages =\n    app\n",
        "setup.py": "import setuptools\nsetuptools.setup(setup_requires=['pbr'], pbr=True)\n",
        ".gitignore": "*.egg-info\nAUTHORS\nChangeLog\n",
        "app/__init__.py": "",
    },
    "setuptools-scm": {
        "pyproject.toml": '[build-system]\nrequires = ["setuptools>=64", "setuptools-scm>=8"]\n'
        'build-backend = "setuptools.build_meta"\n[project]\nname = "app"\n'
        'dynamic = ["version"]\n[tool.setuptools]\npackages = ["app"]\n'
        '[tool.setuptools_scm]\nversion_file = "app/_version.py"\n',
        ".gitignore": "_version.py\n",
        "app/__init__.py": "",
    },
    "hatch-vcs without ignored files": {
        "pyproject.toml": '[build-system]\nrequires = ["hatchling", "hatch-vcs"]\n'
        'build-backend = "hatchling.build"\n[project]\nname = "app"\n'
        'dynamic = ["version"]\n[tool.hatch.version]\nsource = "vcs"\n'
        '[tool.hatch.version.raw-options]\nversion_scheme = "only-version"\n'
        'local_scheme = "no-local-version"\n'
        '[tool.hatch.build.hooks.vcs]\nversion-file = "app/_version.py"\n',
        "app/__init__.py": "",
    },
}


@pytest.mark.parametrize("files", PROJECTS.values(), ids=PROJECTS)
def test_releases_of_a_checkout_are_installed(host: Host, files: dict[str, str]) -> None:
    path = host.directory / "app"
    path.mkdir()
    project = GitProject(path=path, name="app")
    project.git("init", "--quiet", "--initial-branch", "main")
    for version in ("1.0.0", "2.0.0"):
        project.commit({**files, "app/release.py": f"VERSION = {version!r}\n"})
        project.git("tag", "--annotate", version, "--message", version)
    host.declare(["app @ ./app"], find_links=[], no_index=False)

    for version in ("1.0.0", "2.0.0", "1.0.0"):
        project.git("checkout", "--quiet", "--force", version)
        host.apply_ok()
        assert host.versions()["app"] == version
        assert host.run_python("import app.release; print(app.release.VERSION)") == version
        host.assert_no_changes()
        assert host.run("verify", "converge.toml").code == 0
