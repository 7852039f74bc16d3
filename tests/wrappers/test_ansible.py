"""The Ansible collection: output, failures, and options that the scenarios don't cover."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.wheels import make_wheel
from tests.wrappers.callers.ansible import Ansible
from tests.wrappers.callers.caller import Workspace
from tests.wrappers.conftest import skip_unavailable
from tests.wrappers.environments import ANSIBLE, TOOLS
from tests.wrappers.sources import PYTHON, Sources

Values = dict[str, Any]
OTHER_ANSIBLES = [key for key in TOOLS if key.startswith("ansible") and key != ANSIBLE]


@pytest.fixture(
    params=[ANSIBLE, *(pytest.param(key, marks=pytest.mark.extended) for key in OTHER_ANSIBLES)]
)
def ansible(
    request: pytest.FixtureRequest,
    make_workspace: Callable[[str], Workspace],
    tool: Callable[[str], Path],
) -> Ansible:
    """The oldest and the newest Ansible that the collection supports."""
    return Ansible(make_workspace("ansible"), tool(request.param), request.param)


@pytest.fixture
def latest(make_workspace: Callable[[str], Workspace], tool: Callable[[str], Path]) -> Ansible:
    """The newest Ansible."""
    return Ansible(make_workspace("ansible"), tool(ANSIBLE), ANSIBLE)


def _web(ansible: Ansible, sources: Sources, *packages: str) -> Values:
    path = ansible.workspace.directory / "web"
    table = {"path": str(path), "python": PYTHON, "packages": list(packages)}
    return {"venv": {"web": table | {"find-links": [str(sources.wheels)], "no-index": True}}}


def _task(ansible: Ansible, declaration: Values, **more: Any) -> Values:
    options = {"declaration": declaration, "executable": str(ansible.workspace.executable)}
    return {"name": "web", "converge.python.venv": options | more.pop("options", {}), **more}


def test_handler_runs_only_after_a_change(ansible: Ansible, sources: Sources) -> None:
    """The first run notifies the handler. The second run changes nothing and doesn't."""
    log = ansible.workspace.directory / "restarts"
    play = {
        "tasks": [_task(ansible, _web(ansible, sources, "alpha"), notify="restart")],
        "handlers": [{"name": "restart", "ansible.builtin.shell": f"echo restarted >> {log}"}],
    }
    assert ansible.play(play)[0] == 0
    assert log.read_text() == "restarted\n"
    assert ansible.play(play)[0] == 0
    assert log.read_text() == "restarted\n"


def test_diff_lists_packages_alike_in_check_mode_and_apply(
    ansible: Ansible, sources: Sources
) -> None:
    """Both modes print the same unified diff of the venv."""
    ansible.play({"tasks": [_task(ansible, _web(ansible, sources, "alpha==1.0"))]})
    play = {"tasks": [_task(ansible, _web(ansible, sources, "alpha==2.0", "gamma"))]}
    planned, completed = (ansible.play(play, "--diff", *more)[1] for more in (["--check"], []))
    for output in (planned, completed):
        assert f"--- before: venv.web {ansible.workspace.directory / 'web'}" in output
        assert "\n-alpha==1.0\n" in output
        assert "\n+alpha==2.0\n+gamma==1.0\n" in output


@pytest.mark.extended
def test_check_mode_returns_the_same_keys_as_apply(ansible: Ansible, sources: Sources) -> None:
    """A playbook that reads a result also works in check mode."""
    saved = ansible.workspace.directory / "result.json"
    save = {"content": "{{ r | to_json }}", "dest": str(saved)}
    task = _task(ansible, _web(ansible, sources, "alpha"), register="r")
    play = {"tasks": [task, {"ansible.builtin.copy": save, "check_mode": False}]}
    keys = []
    for options in (["--check"], []):
        assert ansible.play(play, *options)[0] == 0
        keys.append(set(json.loads(saved.read_text())))
    assert keys[0] == keys[1]
    assert {"changed", "msg", "resources", "summary", "digest", "exit"} <= keys[0]


@pytest.mark.extended
def test_task_can_run_in_the_background(latest: Ansible, sources: Sources) -> None:
    """The module works with `async` and `poll`: the command doesn't depend on its parent process."""
    task = _task(latest, _web(latest, sources, "alpha"))
    code, output = latest.play({"tasks": [task | {"async": 120, "poll": 1}]})
    assert code == 0, output
    assert (latest.workspace.directory / "web" / "bin" / "python").exists()


def test_task_can_become_another_user(latest: Ansible, sources: Sources, tmp_path: Path) -> None:
    """The venv belongs to that user, and the user has a separate state directory."""
    for directory in [tmp_path, sources.directory, sources.wheels, *tmp_path.parents]:
        if os.geteuid() == 0 and directory.stat().st_mode & 0o005 != 0o005:
            directory.chmod(directory.stat().st_mode | 0o055)
    probe = latest.workspace.run(
        ["su", "-s", "/bin/sh", "nobody", "-c", f"{latest.workspace.executable} version"]
    )
    if os.geteuid() != 0 or probe.returncode != 0:
        skip_unavailable("this test needs root, and a command that other users can run")
    home = tmp_path / "nobody"
    home.mkdir()
    os.chown(home, 65534, 65534)
    declaration = _web(latest, sources, "alpha")
    declaration["venv"]["web"] |= {"path": str(home / "web"), "python": "/usr/bin/python3"}
    task = _task(latest, declaration) | {
        "become": True,
        "become_user": "nobody",
        "become_method": "ansible.builtin.su",
        "environment": {
            "CONVERGE_STATE_DIR": str(home / "s"),
            "CONVERGE_CACHE_DIR": str(home / "c"),
        },
        "vars": {
            "ansible_become_flags": "-s /bin/sh",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_remote_tmp": str(home / "tmp"),
        },
    }
    code, output = latest.play({"tasks": [task]}, ANSIBLE_PIPELINING="1")
    assert code == 0, output
    assert (home / "web").lstat().st_uid == 65534


def test_missing_executable_fails_with_a_hint(latest: Ansible, sources: Sources) -> None:
    """The failure names the role that installs converge."""
    more = {"options": {"executable": "/nowhere/converge"}}
    code, output = latest.play({"tasks": [_task(latest, _web(latest, sources), **more)]})
    assert code == 2
    assert "`/nowhere/converge` isn't installed on this host" in output
    assert "converge.python.engine" in output


def test_missing_executable_is_a_change_in_check_mode(latest: Ansible, sources: Sources) -> None:
    """Check mode works on a new host, for a play that installs converge first."""
    more = {"options": {"executable": "/nowhere/converge"}}
    code, output = latest.play({"tasks": [_task(latest, _web(latest, sources), **more)]}, "--check")
    assert code == 0, output
    assert "changed=1" in output
    assert "[WARNING]" in output
    assert "can't be predicted" in output


@pytest.mark.parametrize(
    ("report", "messages"),
    [
        (
            '{"format_version": "2.0"}',
            ["report format 2.0", "expected 1.x. Update the collection."],
        ),
        ('{"format_version": "0.9"}', ["report format 0.9", "expected 1.x. Update converge."]),
        ("usage: converge", ["printed no valid report"]),
        ("[]", ["printed no valid report"]),
    ],
)
def test_module_rejects_another_report_format(
    latest: Ansible, sources: Sources, report: str, messages: list[str]
) -> None:
    """The module rejects newer and older report formats."""
    other = latest.workspace.directory / "converge"
    other.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{report}'\n")
    other.chmod(0o755)
    task = _task(latest, _web(latest, sources), options={"executable": str(other)})
    code, output = latest.play({"tasks": [task]})
    assert code == 2
    for message in messages:
        assert message in output


@pytest.mark.extended
def test_declaration_error_shows_line_and_suggestion(latest: Ansible, sources: Sources) -> None:
    """The user of the playbook sees the diagnostics of converge."""
    declared = latest.workspace.directory / "web.toml"
    declared.write_text('[venv.web]\npath = "/nowhere/web"\npackges = ["alpha"]\n')
    options = {"files": str(declared), "executable": str(latest.workspace.executable)}
    code, output = latest.play({"tasks": [{"converge.python.venv": options}]})
    assert code == 2
    assert "packges" in output
    assert "web.toml:3" in output
    assert "did you mean `packages`?" in output
    # Ansible prints a failure in two places.
    assert output.count("1 error in the declaration") == 2


@pytest.mark.extended
def test_inline_declaration_error_has_no_line_number(latest: Ansible) -> None:
    """The module passes a declaration from the play without line numbers."""
    executable = {"executable": str(latest.workspace.executable)}
    wrong = {"declaration": {"venv": {"web": {"packges": []}}}, **executable}
    _, output = latest.play({"tasks": [{"converge.python.venv": wrong}]})
    assert "<stdin>: unknown key `packges`" in output
    missing = {"files": "/nowhere/web.toml", **executable}
    code, output = latest.play({"tasks": [{"converge.python.venv": missing}]})
    assert code == 2
    assert "run `converge init`" in output
    # Ansible prints a failure in two places.
    assert output.count("no such file") == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chdir": "/nowhere"}, "/nowhere"),
        ({"secrets": {"PIN": None}}, "missing value for secret: PIN"),
        ({"files": []}, "`files` is empty"),
    ],
)
def test_invalid_option_is_rejected_before_any_build(
    latest: Ansible, sources: Sources, options: Values, message: str
) -> None:
    """The module fails with its own message and builds nothing."""
    declaration = _web(latest, sources)
    declaration["venv"]["web"]["path"] = "web"
    task = _task(latest, declaration, options=options)
    if "files" in options:
        del task["converge.python.venv"]["declaration"]
    code, output = latest.play({"tasks": [task]})
    assert code == 2
    assert message in output
    assert not list(latest.workspace.directory.glob("**/web"))


@pytest.mark.extended
def test_options_accept_common_spellings(latest: Ansible, sources: Sources) -> None:
    """`upgrade: true` upgrades all packages, a number can be a secret, and `~` is the user's home."""
    home = latest.workspace.directory.parent
    (home / "converge").symlink_to(latest.workspace.executable)
    wheels = latest.workspace.directory / "wheels"
    make_wheel(wheels, "alpha", "1.0")
    declaration = _web(latest, sources, "alpha")
    declaration["venv"]["web"]["find-links"] = [str(wheels)]
    code, output = latest.play({"tasks": [_task(latest, declaration)]}, "--diff")
    assert (code, "+alpha==1.0" in output) == (0, True), output
    make_wheel(wheels, "alpha", "2.0")
    code, output = latest.play({"tasks": [_task(latest, declaration)]}, "--diff")
    assert (code, "alpha==2.0" in output) == (0, False), output
    options = {"upgrade": True, "secrets": {"PIN": 1234}, "executable": "~/converge"}
    task = _task(latest, declaration, options=options, environment={"HOME": str(home)})
    code, output = latest.play({"tasks": [task]}, "--diff")
    assert (code, "+alpha==2.0" in output) == (0, True), output


@pytest.mark.extended
def test_diff_omits_digests(latest: Ansible, sources: Sources) -> None:
    """A diff doesn't show digests, which mean nothing to people."""
    output = latest.play({"tasks": [_task(latest, _web(latest, sources, "alpha"))]}, "--diff")[1]
    assert "+alpha==" in output
    assert "artifacts" not in output
    assert "settings" not in output


@pytest.mark.extended
def test_notice_is_a_warning(latest: Ansible, sources: Sources) -> None:
    """If a venv is no longer declared, the module warns and doesn't delete it."""
    declared = latest.workspace.directory / "web.toml"
    options = {"files": str(declared), "executable": str(latest.workspace.executable)}
    table = '[venv.{0}]\npath = "{0}"\npackages = []\nno-index = true\n'
    outputs = []
    for names in (("web", "api"), ("web",)):
        declared.write_text("".join(table.format(name) for name in names))
        code, output = latest.play({"tasks": [{"converge.python.venv": options}]})
        assert code == 0, output
        outputs.append(" ".join(output.split()))
    assert "[WARNING]" in outputs[-1]
    assert "`venv.api` was removed from" in outputs[-1]


@pytest.mark.parametrize(
    "info", ["deploy:c4nary", "c4nary", "ünï:c4'\"nary", "c4nary:x-oauth-basic"]
)
def test_invocation_hides_a_password_in_the_declaration(
    latest: Ansible, sources: Sources, info: str
) -> None:
    """The invocation hides a password even if the user didn't put it in `secrets`."""
    declaration = _web(latest, sources)
    declaration["venv"]["web"] |= {"index-url": f"https://{info}@wheels.example/simple"}
    task = {"tasks": [_task(latest, declaration)]}
    _, output = latest.play(task, "-vvv", "--check", ANSIBLE_INJECT_INVOCATION="1")
    assert '"invocation"' in output
    assert "nary" not in output


@pytest.mark.extended
def test_ansible_doc_describes_every_option(latest: Ansible) -> None:
    """`ansible-doc` documents the module, the role, and every option."""
    environ = {"ANSIBLE_COLLECTIONS_PATH": str(latest.workspace.wrapper), "ANSIBLE_NOCOLOR": "1"}
    doc = latest.bin / "ansible-doc"
    module = latest.workspace.run([doc, "--json", "converge.python.venv"], **environ)
    [documentation] = json.loads(module.stdout).values()
    assert all(option["description"] for option in documentation["doc"]["options"].values())
    assert documentation["doc"]["attributes"]["check_mode"]["support"] == "full"
    assert set(documentation["return"]) == {
        "msg",
        "resources",
        "summary",
        "digest",
        "notices",
        "exit",
    }
    role = latest.workspace.run([doc, "--type", "role", "converge.python.engine"], **environ)
    assert "converge_home" in role.stdout


@pytest.mark.extended
def test_collection_builds_and_installs(latest: Ansible) -> None:
    """`ansible-galaxy` builds an archive of the collection, and installs it."""
    galaxy = latest.bin / "ansible-galaxy"
    source = latest.workspace.wrapper / "ansible_collections" / "converge" / "python"
    built = latest.workspace.run([galaxy, "collection", "build", source])
    assert built.returncode == 0, built.stderr
    [archive] = latest.workspace.directory.glob("converge-python-*.tar.gz")
    target = latest.workspace.directory / "installed"
    completed = latest.workspace.run(
        [galaxy, "collection", "install", archive, "-p", target, "--offline"]
    )
    assert completed.returncode == 0, completed.stderr
    manifest = json.loads(
        (target / "ansible_collections/converge/python/MANIFEST.json").read_text()
    )
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["collection_info"]["version"])


@pytest.mark.extended
def test_module_parses_on_the_oldest_supported_python(
    latest: Ansible, wrappers: Path, tool: Callable[[str], Path]
) -> None:
    """The module uses the syntax of Python 3.9, the oldest target of Ansible 2.21."""
    module = wrappers / "ansible/ansible_collections/converge/python/plugins/modules/venv.py"
    check = "import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 9))"
    completed = subprocess.run(
        [latest.python, "-c", check, module], check=False, capture_output=True
    )
    assert completed.returncode == 0, completed.stderr
