"""Root builds a local project that another user can change as that user, or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.integration.in_process import InProcess
from tests.integration.mount_namespaces import UNPRIVILEGED_UID
from tests.integration.test_untrusted_programs import SYSTEM_PYTHON, give_away, local
from tests.support import backend
from tests.support.projects import make_git_project, make_project, make_sdist

__all__ = ["local"]
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")
RECORDING_BACKEND = """
with open("{uids}", "a") as _file:
    _file.write("%d " % os.getuid())
"""


def make_app(local: InProcess, *, static: bool = False, **options: object) -> Path:
    """Create a project whose backend records each user that runs it."""
    uids = local.host.write("", "uids")
    uids.chmod(0o666)
    source = Path(backend.__file__).read_text() + RECORDING_BACKEND.format(uids=uids)
    files = {"_build/backend.py": source}
    return make_project(
        local.host.directory,
        "app",
        "1.0",
        static=static,
        files=files,
        **options,  # type: ignore[arg-type]
    )


def declare(local: InProcess, packages: list[str], **keys: object) -> None:
    """Declare a venv with an interpreter that every user can run."""
    local.host.declare(packages, python=str(SYSTEM_PYTHON), **keys)  # type: ignore[arg-type]


def builders(local: InProcess) -> set[int]:
    """Return the users that have run the backend of the project."""
    return {int(uid) for uid in (local.host.directory / "uids").read_text().split()}


@pytest.mark.parametrize("static", [True, False])
def test_project_is_built_as_its_owner(local: InProcess, static: bool) -> None:
    app = make_app(local, static=static, requires=["alpha"])
    give_away(app)
    declare(local, ["app @ ./app"])

    planned = local("plan")
    assert planned.code == 0, planned.out
    applied = local("apply")

    assert applied.code == 0, applied.out + applied.err
    assert builders(local) == {UNPRIVILEGED_UID}
    assert not local("plan").report["changed"]
    origin = json.loads(next(local.host.site.glob("app-*/direct_url.json")).read_bytes())
    assert origin == {"url": app.as_uri(), "dir_info": {}}
    assert (local.host.site / "alpha").is_dir()
    unpacked = local.host.cache.glob("uv/archive-v*/*/app-1.0.dist-info")
    assert list(unpacked) == []
    owners = {path.stat().st_uid for path in (local.host.site / "app").rglob("*")}
    assert owners == {0}


def test_edited_project_is_built_again_as_its_owner(local: InProcess) -> None:
    app = make_app(local)
    give_away(app)
    declare(local, ["app @ ./app"])
    assert local("apply").code == 0
    (app / "src/app/new.py").write_text("")
    give_away(app)

    applied = local("apply")

    assert applied.first["action"] == "update", applied.out
    assert (local.host.site / "app/new.py").exists()
    assert builders(local) == {UNPRIVILEGED_UID}


def test_project_in_a_lockfile_is_built_as_its_owner(local: InProcess) -> None:
    app = make_app(local)
    lock = {"lock-version": "1.0", "created-by": "test"}
    rows = "".join(f"{key} = {json.dumps(value)}\n" for key, value in lock.items())
    package = f'[[packages]]\nname = "app"\ndirectory = {{ path = "{app}" }}\n'
    local.host.write(f"{rows}\n{package}", "pylock.toml")
    give_away(app)
    declare(local, [], lock="pylock.toml")

    applied = local("apply")

    assert applied.code == 0, applied.out + applied.err
    assert builders(local) == {UNPRIVILEGED_UID}


def test_failed_build_of_a_user_reports_its_output(local: InProcess) -> None:
    app = make_app(local, build_fails="no compiler today")
    give_away(app)
    declare(local, ["app @ ./app"])

    planned = local("plan")

    assert planned.code == 1
    assert "no compiler today" in planned.first["error"]["output"], planned.out
    assert f"building `{app}` as nobody: app:" in planned.first["error"]["message"]


def planned_refusal(local: InProcess) -> str:
    """Return the message with which a plan and an apply refuse a venv. Nothing may be built."""
    planned, applied = local("plan"), local("apply")
    assert planned.code == applied.code == 77, planned.out
    assert planned.first["error"] == applied.first["error"]
    assert builders(local) == set()
    return str(planned.first["error"]["message"])


@pytest.mark.parametrize("change", ["writable", "owners"])
def test_project_that_several_users_can_change_is_refused(local: InProcess, change: str) -> None:
    app = make_app(local)
    if change == "writable":
        (app / "src/app/__init__.py").chmod(0o666)
    else:
        os.chown(app / "src", UNPRIVILEGED_UID, 0)
        os.chown(app / "_build", UNPRIVILEGED_UID - 1, 0)
    declare(local, ["app @ ./app"])

    assert "unsafe project" in planned_refusal(local)


@pytest.mark.parametrize("key", ["index_url", "netrc"])
def test_build_of_a_user_never_gets_credentials(local: InProcess, key: str) -> None:
    app = make_app(local, static=True)
    give_away(app)
    netrc = local.host.write("machine example.org login a password b\n", "netrc")
    netrc.chmod(0o600)
    local.host.env["INDEX"] = "https://name:secret@example.org/simple/"
    value = {"index_url": "env:INDEX", "netrc": str(netrc)}[key]
    declare(local, ["app @ ./app"], no_index=None, **{key: value})

    assert "credentials" in planned_refusal(local)


def test_sources_in_the_project_of_a_user_are_refused(local: InProcess) -> None:
    app = make_app(local, static=True)
    with (app / "pyproject.toml").open("a") as stream:
        stream.write('\n[tool.uv.sources]\nother = { path = "../other" }\n')
    give_away(app)
    declare(local, ["app @ ./app"])

    assert "names sources" in planned_refusal(local)


def test_reference_in_the_project_of_a_user_is_refused(local: InProcess) -> None:
    other = make_project(local.host.directory, "other", "1.0")
    app = make_app(local, requires=[f"other @ {other.as_uri()}"])
    give_away(app)
    declare(local, ["app @ ./app"])

    planned = local("plan")

    assert planned.code == 77, planned.out
    assert f"it requires `other @ {other.as_uri()}`" in planned.first["error"]["message"]
    assert builders(local) == {UNPRIVILEGED_UID}


@pytest.mark.parametrize("kind", ["sdist", "repository", "subdirectory"])
def test_other_sources_of_another_user_are_refused(local: InProcess, kind: str) -> None:
    make_app(local)
    if kind == "sdist":
        path = make_sdist(local.host.directory, "other", "1.0")
        reference = path.as_uri()
    elif kind == "repository":
        path = make_git_project(local.host.directory, "other", "1.0").path
        reference = f"git+{path.as_uri()}"
    else:
        path = make_project(local.host.directory / "all", "other", "1.0").parent
        reference = f"{path.as_uri()}#subdirectory=other"
    give_away(path)
    os.chown(path, UNPRIVILEGED_UID, UNPRIVILEGED_UID)
    declare(local, [f"other @ {reference}"])

    assert "unsafe source" in planned_refusal(local)
