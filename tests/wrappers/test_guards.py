"""Tools with guard commands only: `unless` in Puppet, `not_if` in Chef."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.wrappers.callers.caller import Workspace
from tests.wrappers.conftest import skip_unavailable
from tests.wrappers.drift import delete_module
from tests.wrappers.environments import REPOSITORY
from tests.wrappers.sources import PYTHON, Sources

_EXAMPLES = REPOSITORY / "examples"

# A minimal Chef: properties, one action, and `execute` with `not_if`, as the resource uses them. It
# prints "ran" or "skipped", and runs the real commands.
_CHEF = """
class Resource
  def self.method_missing(*) end
  def self.property(name, _type, name_property: false, default: nil, **_more)
    define_method(name) { @given.fetch(name) { name_property ? @name : default } }
  end
  def self.action(_name, &block) @@action = block end
  def initialize(name, given) @name, @given = name, given end
  def new_resource; self end
  def run; instance_exec(&@@action) end
  def execute(_name, &block)
    execute = Execute.new(self)
    execute.instance_exec(&block)
    execute.run
  end
end
class Execute
  def initialize(outer) @outer, @environment = outer, {} end
  def new_resource; @outer end
  def command(words) @command = words end
  def environment(given) @environment = given end
  def timeout(_seconds) end
  def sensitive(_yes) end
  def not_if(words, environment: {}) @guard = [environment, *words] end
  def run
    return puts('skipped') if system(*@guard)
    system(@environment, *@command) or abort('failed')
    puts('ran')
  end
end
path, executable, source = ARGV
Resource.class_eval(File.read(source))
Resource.new(path, { executable: executable }).run
"""


def _declared(workspace: Workspace, sources: Sources, *packages: str) -> Path:
    declared = workspace.directory / "web.toml"
    table = {
        "path": "web",
        "python": PYTHON,
        "packages": list(packages),
        "find-links": [str(sources.wheels)],
        "no-index": True,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    declared.write_text("\n".join(["[venv.web]", *lines, ""]))
    return declared


def _puppet(workspace: Workspace, declared: Path, *arguments: str) -> int:
    """Apply the defined type of the example; return Puppet's detailed exit code."""
    manifest = workspace.directory / "site.pp"
    manifest.write_text(
        f"converge::declaration {{ '{declared}': executable => '{workspace.executable}' }}\n"
    )
    modules = _EXAMPLES / "puppet" / "modules"
    completed = workspace.run(
        ["puppet", "apply", "--modulepath", modules, "--detailed-exitcodes", *arguments, manifest]
    )
    return completed.returncode


def test_puppet_runs_the_command_only_on_drift(
    make_workspace: Callable[[str], Workspace], sources: Sources
) -> None:
    """Exit code 2 means changes, 0 no changes, 4 a failure; noop changes nothing."""
    if not shutil.which("puppet"):
        skip_unavailable("the Puppet example needs the program `puppet`")
    workspace = make_workspace("puppet")
    declared = _declared(workspace, sources, "alpha==1.0")
    assert _puppet(workspace, declared, "--noop") == 0
    assert not (workspace.directory / "web").exists()
    assert _puppet(workspace, declared) == 2
    assert _puppet(workspace, declared) == 0
    delete_module(workspace.directory / "web")
    assert _puppet(workspace, declared) == 2
    assert _puppet(workspace, declared) == 0
    assert _puppet(workspace, _declared(workspace, sources, "nothing-like-it")) == 4


def test_chef_runs_the_command_only_on_drift(
    make_workspace: Callable[[str], Workspace], sources: Sources
) -> None:
    """A minimal Chef runs the real guard and command, because Chef isn't available here."""
    if not shutil.which("ruby"):
        skip_unavailable("the Chef example needs the program `ruby`")
    workspace = make_workspace("chef")
    declared = _declared(workspace, sources, "alpha==1.0")
    resource = _EXAMPLES / "chef" / "cookbook" / "resources" / "declaration.rb"
    arguments: list[str | Path] = ["ruby", "-e", _CHEF, declared, workspace.executable, resource]
    for expected in ("ran\n", "skipped\n"):
        completed = workspace.run(arguments)
        assert completed.stdout.endswith(expected), completed.stderr
    delete_module(workspace.directory / "web")
    assert workspace.run(arguments).stdout.endswith("ran\n")
    _declared(workspace, sources, "nothing-like-it")
    assert workspace.run(arguments).returncode != 0


def test_check_exit_code_separates_drift_from_errors(
    make_workspace: Callable[[str], Workspace], sources: Sources
) -> None:
    """`unless` and `not_if` rely on exit code 0 for no drift, 2 for drift, and 1 for an error."""
    workspace = make_workspace("guard")
    declared = _declared(workspace, sources, "alpha==1.0")
    assert workspace.run([workspace.executable, "check", declared]).returncode == 2
    assert workspace.run([workspace.executable, "apply", declared]).returncode == 0
    assert workspace.run([workspace.executable, "check", declared]).returncode == 0
    assert (
        workspace.run(
            [workspace.executable, "check", workspace.directory / "nowhere.toml"]
        ).returncode
        == 1
    )
