"""Tools that only know guards: Puppet's `unless`, Chef's `not_if`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.wrappers.callers.caller import Place
from tests.wrappers.conftest import unavailable
from tests.wrappers.environments import REPOSITORY
from tests.wrappers.meddling import delete_module
from tests.wrappers.world import PYTHON, World

_EXAMPLES = REPOSITORY / "examples"

# What Chef makes of a resource, as far as this one goes: properties, one action, `execute` with
# `not_if`. It prints "ran" or "skipped", and runs the real commands.
_STAND_IN = """
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
    told = Execute.new(self)
    told.instance_exec(&block)
    told.run
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


def _declared(at: Place, world: World, *packages: str) -> Path:
    declared = at.folder / "web.toml"
    table = {
        "path": "web",
        "python": PYTHON,
        "packages": list(packages),
        "find-links": [str(world.wheels)],
        "no-index": True,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    declared.write_text("\n".join(["[venv.web]", *lines, ""]))
    return declared


def _puppet(at: Place, declared: Path, *words: str) -> int:
    """Apply the example's defined type; return Puppet's detailed exit code."""
    manifest = at.folder / "site.pp"
    manifest.write_text(f"converge::declaration {{ '{declared}': executable => '{at.engine}' }}\n")
    modules = _EXAMPLES / "puppet" / "modules"
    done = at.run(
        ["puppet", "apply", "--modulepath", modules, "--detailed-exitcodes", *words, manifest]
    )
    return done.returncode


def test_puppet_runs_the_command_exactly_when_something_differs(
    place: Callable[[str], Place], world: World
) -> None:
    """2 is changes, 0 is none, 4 is a failure; noop touches nothing."""
    if not shutil.which("puppet"):
        unavailable("the guards of Puppet need the program puppet")
    at = place("puppet")
    declared = _declared(at, world, "alpha==1.0")
    assert _puppet(at, declared, "--noop") == 0
    assert not (at.folder / "web").exists()
    assert _puppet(at, declared) == 2
    assert _puppet(at, declared) == 0
    delete_module(at.folder / "web")
    assert _puppet(at, declared) == 2
    assert _puppet(at, declared) == 0
    assert _puppet(at, _declared(at, world, "nothing-like-it")) == 4


def test_chefs_resource_runs_the_command_exactly_when_something_differs(
    place: Callable[[str], Place], world: World
) -> None:
    """By a stand-in for Chef, which cannot be had here, with the real guard and command."""
    if not shutil.which("ruby"):
        unavailable("the resource of Chef needs the program ruby")
    at = place("chef")
    declared = _declared(at, world, "alpha==1.0")
    resource = _EXAMPLES / "chef" / "cookbook" / "resources" / "declaration.rb"
    words = ["ruby", "-e", _STAND_IN, declared, at.engine, resource]
    for expected in ("ran\n", "skipped\n"):
        done = at.run(words)
        assert done.stdout.endswith(expected), done.stderr
    delete_module(at.folder / "web")
    assert at.run(words).stdout.endswith("ran\n")
    _declared(at, world, "nothing-like-it")
    assert at.run(words).returncode != 0


def test_the_guard_tells_drift_from_an_error(place: Callable[[str], Place], world: World) -> None:
    """0, 2 and 1, as every `unless` and `not_if` of this world expects."""
    at = place("guard")
    declared = _declared(at, world, "alpha==1.0")
    assert at.run([at.engine, "check", declared]).returncode == 2
    assert at.run([at.engine, "apply", declared]).returncode == 0
    assert at.run([at.engine, "check", declared]).returncode == 0
    assert at.run([at.engine, "check", at.folder / "nowhere.toml"]).returncode == 1
