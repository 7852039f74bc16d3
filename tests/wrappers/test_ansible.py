"""The Ansible collection beyond the table: its words, its failures, its ways of being called."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.wrappers.callers.ansible import Ansible
from tests.wrappers.callers.caller import Place
from tests.wrappers.conftest import unavailable
from tests.wrappers.environments import ANSIBLE
from tests.wrappers.world import PYTHON, World

Answer = dict[str, Any]


@pytest.fixture(params=["ansible-2.21", "ansible-2.19"])
def ansible(
    request: pytest.FixtureRequest, place: Callable[[str], Place], tool: Callable[[str], Path]
) -> Ansible:
    """Ansible at both ends of what the collection supports."""
    return Ansible(place("ansible"), tool(request.param), request.param)


@pytest.fixture
def latest(place: Callable[[str], Place], tool: Callable[[str], Path]) -> Ansible:
    """Ansible at its newest."""
    return Ansible(place("ansible"), tool(ANSIBLE), ANSIBLE)


def _web(ansible: Ansible, world: World, *packages: str) -> Answer:
    path = ansible.place.folder / "web"
    table = {"path": str(path), "python": PYTHON, "packages": list(packages)}
    return {"venv": {"web": table | {"find-links": [str(world.wheels)], "no-index": True}}}


def _task(ansible: Ansible, declaration: Answer, **more: Any) -> Answer:
    options = {"declaration": declaration, "executable": str(ansible.place.engine)}
    return {"name": "web", "converge.python.venv": options | more.pop("options", {}), **more}


def test_a_handler_runs_once_and_only_where_something_changed(
    ansible: Ansible, world: World
) -> None:
    """The first run notifies; the second, being unchanged, does not."""
    log = ansible.place.folder / "restarts"
    play = {
        "tasks": [_task(ansible, _web(ansible, world, "alpha"), notify="restart")],
        "handlers": [{"name": "restart", "ansible.builtin.shell": f"echo restarted >> {log}"}],
    }
    assert ansible.play(play)[0] == 0
    assert log.read_text() == "restarted\n"
    assert ansible.play(play)[0] == 0
    assert log.read_text() == "restarted\n"


def test_a_diff_shows_each_package_in_check_mode_and_the_same_in_the_real_run(
    ansible: Ansible, world: World
) -> None:
    """One unified diff for the environment, alike in both modes."""
    ansible.play({"tasks": [_task(ansible, _web(ansible, world, "alpha==1.0"))]})
    play = {"tasks": [_task(ansible, _web(ansible, world, "alpha==2.0", "gamma"))]}
    foretold, done = (ansible.play(play, "--diff", *more)[1] for more in (["--check"], []))
    for output in (foretold, done):
        assert f"--- before: venv.web {ansible.place.folder / 'web'}" in output
        assert "\n-alpha==1.0\n" in output
        assert "\n+alpha==2.0\n+gamma==1.0\n" in output


def test_check_mode_returns_the_keys_of_the_real_run(ansible: Ansible, world: World) -> None:
    """A playbook that reads a result works in check mode too."""
    kept = ansible.place.folder / "kept"
    keep = {"content": "{{ r | to_json }}", "dest": str(kept)}
    task = _task(ansible, _web(ansible, world, "alpha"), register="r")
    play = {"tasks": [task, {"ansible.builtin.copy": keep, "check_mode": False}]}
    keys = []
    for options in (["--check"], []):
        assert ansible.play(play, *options)[0] == 0
        keys.append(set(json.loads(kept.read_text())))
    assert keys[0] == keys[1]
    assert {"changed", "msg", "resources", "summary", "digest", "exit"} <= keys[0]


def test_a_task_may_run_in_the_background(latest: Ansible, world: World) -> None:
    """`async` and `poll` need nothing of the module, and the engine nothing of its parent."""
    task = _task(latest, _web(latest, world, "alpha"))
    code, output = latest.play({"tasks": [task | {"async": 120, "poll": 1}]})
    assert code == 0, output
    assert (latest.place.folder / "web" / "bin" / "python").exists()


def test_a_task_may_become_another_user(latest: Ansible, world: World, tmp_path: Path) -> None:
    """The environment then belongs to that user, and the state is that user's own."""
    for folder in [tmp_path, world.folder, world.wheels, *tmp_path.parents]:
        if os.geteuid() == 0 and folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(folder.stat().st_mode | 0o055)
    reached = latest.place.run(
        ["su", "-s", "/bin/sh", "nobody", "-c", f"{latest.place.engine} version"]
    )
    if os.geteuid() != 0 or reached.returncode != 0:
        unavailable("to become another user needs root, and an engine that others may run")
    home = tmp_path / "nobody"
    home.mkdir()
    os.chown(home, 65534, 65534)
    declaration = _web(latest, world, "alpha")
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


def test_an_engine_that_is_missing_is_named_with_its_remedy(latest: Ansible, world: World) -> None:
    """The failure names the role that installs it."""
    more = {"options": {"executable": "/nowhere/converge"}}
    code, output = latest.play({"tasks": [_task(latest, _web(latest, world), **more)]})
    assert code == 2
    assert "The engine `/nowhere/converge` is not on this host" in output
    assert "converge.python.engine" in output


def test_an_engine_that_is_still_to_be_installed_is_a_change_and_a_warning_in_check_mode(
    latest: Ansible, world: World
) -> None:
    """A play that installs the engine first can be foretold on a new host."""
    more = {"options": {"executable": "/nowhere/converge"}}
    code, output = latest.play({"tasks": [_task(latest, _web(latest, world), **more)]}, "--check")
    assert code == 0, output
    assert "changed=1" in output
    assert "[WARNING]" in output
    assert "cannot be foretold" in output


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ('{"format_version": "2.0"}', "answers in format 2.0, this module reads 1.x; it is newer"),
        ('{"format_version": "0.9"}', "answers in format 0.9, this module reads 1.x; it is older"),
        ("usage: converge", "gave no answer that this module reads"),
        ("[]", "gave no answer that this module reads"),
    ],
)
def test_an_engine_of_another_format_is_a_clear_failure(
    latest: Ansible, world: World, answer: str, words: str
) -> None:
    """Neither a newer nor an older answer is misread."""
    other = latest.place.folder / "converge"
    other.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{answer}'\n")
    other.chmod(0o755)
    task = _task(latest, _web(latest, world), options={"executable": str(other)})
    code, output = latest.play({"tasks": [task]})
    assert code == 2
    assert words in output


def test_a_wrong_declaration_is_told_with_its_line_and_a_suggestion(
    latest: Ansible, world: World
) -> None:
    """What the engine says of a typing error reaches the user of the playbook."""
    declared = latest.place.folder / "web.toml"
    declared.write_text('[venv.web]\npath = "/nowhere/web"\npackges = ["alpha"]\n')
    options = {"files": str(declared), "executable": str(latest.place.engine)}
    code, output = latest.play({"tasks": [{"converge.python.venv": options}]})
    assert code == 2
    assert "packges" in output
    assert "web.toml:3" in output
    assert "did you mean `packages`?" in output
    # Ansible itself tells a failure in two places.
    assert output.count("1 problem in the declaration") == 2


def test_what_is_wrong_in_the_play_has_no_line_and_no_word_is_told_twice(latest: Ansible) -> None:
    """A declaration of the play is given to the engine without lines."""
    engine = {"executable": str(latest.place.engine)}
    wrong = {"declaration": {"venv": {"web": {"packges": []}}}, **engine}
    _, output = latest.play({"tasks": [{"converge.python.venv": wrong}]})
    assert "<stdin>: unknown key `packges`" in output
    missing = {"files": "/nowhere/web.toml", **engine}
    code, output = latest.play({"tasks": [{"converge.python.venv": missing}]})
    assert code == 2
    assert "`converge init` writes a first declaration" in output
    # Ansible itself tells a failure in two places.
    assert output.count("no such file") == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"chdir": "/nowhere"}, "/nowhere"),
        ({"secrets": {"PIN": None}}, "No value for the secret PIN"),
        ({"files": []}, "There are no files in `files`"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(
    latest: Ansible, world: World, options: Answer, words: str
) -> None:
    """Before anything is built, in words of its own."""
    declaration = _web(latest, world)
    declaration["venv"]["web"]["path"] = "web"
    task = _task(latest, declaration, options=options)
    if "files" in options:
        del task["converge.python.venv"]["declaration"]
    code, output = latest.play({"tasks": [task]})
    assert code == 2
    assert words in output
    assert not list(latest.place.folder.glob("**/web"))


def test_options_are_taken_as_people_write_them(latest: Ansible, world: World) -> None:
    """`upgrade: true` is all of them, a number is a secret too, and `~` is the home of who runs it."""
    home = latest.place.folder.parent
    (home / "converge").symlink_to(latest.place.engine)
    fits_both = _web(latest, world, "alpha<=2.0,>=1.0")
    first = _task(latest, _web(latest, world, "alpha==1.0"))
    code, output = latest.play({"tasks": [first, _task(latest, fits_both)]}, "--diff")
    assert (code, "alpha==2.0" in output) == (0, False), output
    options = {"upgrade": True, "secrets": {"PIN": 1234}, "executable": "~/converge"}
    code, output = latest.play({"tasks": [_task(latest, fits_both, options=options)]}, "--diff")
    assert (code, "+alpha==2.0" in output) == (0, True), output


def test_a_diff_leaves_out_what_means_nothing_to_people(latest: Ansible, world: World) -> None:
    """Digests are for the engine."""
    output = latest.play({"tasks": [_task(latest, _web(latest, world, "alpha"))]}, "--diff")[1]
    assert "+alpha==" in output
    assert "artifacts" not in output
    assert "settings" not in output


def test_what_the_engine_remarks_is_a_warning(latest: Ansible, world: World) -> None:
    """A name that is no longer declared is not removed unasked, but told."""
    declared = latest.place.folder / "web.toml"
    options = {"files": str(declared), "executable": str(latest.place.engine)}
    table = '[venv.{0}]\npath = "{0}"\npackages = []\nno-index = true\n'
    for names in (("web", "api"), ("web",)):
        declared.write_text("".join(table.format(name) for name in names))
        code, output = latest.play({"tasks": [{"converge.python.venv": options}]})
        assert code == 0, output
    flat = " ".join(output.split())
    assert "[WARNING]" in flat
    assert "`venv.api` is no longer declared" in flat


@pytest.mark.parametrize(
    "info", ["deploy:c4nary", "c4nary", "ünï:c4'\"nary", "c4nary:x-oauth-basic"]
)
def test_a_password_written_into_a_declaration_is_not_shown_with_the_invocation(
    latest: Ansible, world: World, info: str
) -> None:
    """Though it belongs into `secrets`."""
    declaration = _web(latest, world)
    declaration["venv"]["web"] |= {"index-url": f"https://{info}@wheels.example/simple"}
    task = {"tasks": [_task(latest, declaration)]}
    _, output = latest.play(task, "-vvv", "--check", ANSIBLE_INJECT_INVOCATION="1")
    assert '"invocation"' in output
    assert "nary" not in output


def test_the_documentation_of_every_option_is_read_by_ansible(latest: Ansible) -> None:
    """`ansible-doc` knows the module and the role, and leaves no option without words."""
    environ = {"ANSIBLE_COLLECTIONS_PATH": str(latest.place.wrapper), "ANSIBLE_NOCOLOR": "1"}
    doc = latest.bin / "ansible-doc"
    module = latest.place.run([doc, "--json", "converge.python.venv"], **environ)
    [read] = json.loads(module.stdout).values()
    assert all(option["description"] for option in read["doc"]["options"].values())
    assert read["doc"]["attributes"]["check_mode"]["support"] == "full"
    assert set(read["return"]) == {"msg", "resources", "summary", "digest", "notes", "exit"}
    role = latest.place.run([doc, "--type", "role", "converge.python.engine"], **environ)
    assert "converge_home" in role.stdout


def test_the_collection_is_built_and_installed(latest: Ansible) -> None:
    """`ansible-galaxy` makes an archive of it which `ansible-galaxy` installs."""
    galaxy = latest.bin / "ansible-galaxy"
    source = latest.place.wrapper / "ansible_collections" / "converge" / "python"
    built = latest.place.run([galaxy, "collection", "build", source])
    assert built.returncode == 0, built.stderr
    [archive] = latest.place.folder.glob("converge-python-*.tar.gz")
    to = latest.place.folder / "installed"
    done = latest.place.run([galaxy, "collection", "install", archive, "-p", to, "--offline"])
    assert done.returncode == 0, done.stderr
    manifest = json.loads((to / "ansible_collections/converge/python/MANIFEST.json").read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["collection_info"]["version"])


def test_the_module_runs_on_the_oldest_python_of_a_target(
    latest: Ansible, wrappers: Path, tool: Callable[[str], Path]
) -> None:
    """Its syntax is that of Python 3.9, as of the oldest target that Ansible 2.21 serves."""
    module = wrappers / "ansible/ansible_collections/converge/python/plugins/modules/venv.py"
    check = "import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 9))"
    done = subprocess.run([latest.python, "-c", check, module], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
