"""A host of its own for one test: folders, wheels, and the command as anybody would call it."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema

from engine.schema import of_output

ROOT = Path(__file__).resolve().parents[2]
PYTHON = os.path.realpath(sys.executable)
"""The interpreter that environments are made from, unless a test says otherwise."""
MINOR = f"python{sys.version_info.major}.{sys.version_info.minor}"
Report = dict[str, Any]
Resource = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """How one call of the command ended."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> Report:
        """What `--json` printed, checked against the published schema."""
        document: Report = json.loads(self.out)
        jsonschema.validate(document, _schema())
        return document

    @property
    def first(self) -> Resource:
        """The first resource of the report."""
        resource: Resource = self.report["resources"][0]
        return resource

    def resource(self, address: str) -> Resource:
        """One resource of the report."""
        return next(one for one in self.report["resources"] if one["address"] == address)

    def changes(self) -> dict[str, tuple[str | None, str | None]]:
        """What changed in the first resource: before and after, by attribute."""
        return changes(self.first)


def changes(resource: Resource) -> dict[str, tuple[str | None, str | None]]:
    """Return before and after by attribute."""
    return {one["attribute"]: (one["before"], one["after"]) for one in resource["changes"]}


def reasons(resource: Resource) -> dict[str, str]:
    """Return why, by attribute."""
    return {one["attribute"]: one["reason"] for one in resource["changes"]}


@dataclass(kw_only=True, slots=True)
class Host:
    """Folders that belong to one test; `folder` holds the declaration and all else."""

    folder: Path
    cache: Path
    python: str = PYTHON
    program: str = sys.executable
    """The interpreter that runs the command."""
    env: dict[str, str] = field(default_factory=dict)
    """Added to the command's surroundings, which are made from nothing otherwise."""

    @property
    def wheels(self) -> Path:
        """The folder of wheels that declarations name by `find-links`."""
        return self.folder / "wheels"

    @property
    def venv(self) -> Path:
        """Where the declared environment is published."""
        return self.folder / "venvs" / "app"

    @property
    def store(self) -> Path:
        """The hidden folder beside it."""
        return self.folder / "venvs" / ".app"

    @property
    def generation(self) -> Path:
        """The folder that is live."""
        return Path(os.path.realpath(self.venv))

    @property
    def site(self) -> Path:
        """The live generation's site-packages."""
        (found,) = self.generation.glob("lib/python*/site-packages")
        return found

    def generations(self) -> list[str]:
        """Return what lies in the store's folder of generations."""
        return sorted(one.name for one in (self.store / "generations").iterdir())

    def declare(self, packages: Sequence[str] = (), more: str = "", **keys: object) -> Path:
        """Write the declaration of one environment, `venv.app`, made from the host's wheels.

        `keys` are its further keys, `-` written `_`; one that is None is left out. `more` is
        text that follows the table.
        """
        self.wheels.mkdir(exist_ok=True)
        table = {
            "path": "venvs/app",
            "python": self.python,
            "packages": list(packages),
            "find_links": ["wheels"],
            "no_index": True,
            **keys,
        }
        rows = [
            f"{key.replace('_', '-')} = {json.dumps(value)}"
            for key, value in table.items()
            if value is not None
        ]
        return self.write("\n".join(["[venv.app]", *rows, more]))

    def write(self, text: str, name: str = "converge.toml") -> Path:
        """Write a declaration, or any file beside it."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def environment(self) -> dict[str, str]:
        """Return the surroundings that the command runs in."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CONVERGE_CACHE_DIR": str(self.cache),
            "CONVERGE_STATE_DIR": str(self.folder / "state"),
            **self.env,
        }

    def command(self, *words: str) -> list[str]:
        """Return the words that call the command."""
        return [self.program, "-m", "states", *words]

    def run(
        self,
        *words: str,
        prefix: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        text: str | None = None,
        umask: int = 0o022,
    ) -> Run:
        """Call the command; `prefix` is a program that starts it, `text` its standard input."""
        done = subprocess.run(
            [*prefix, *self.command(*words)],
            env={**self.environment(), **(env or {})},
            cwd=cwd or self.folder,
            input=text or "",
            capture_output=True,
            text=True,
            umask=umask,
            timeout=300,
            check=False,
        )
        return Run(code=done.returncode, out=done.stdout, err=done.stderr)

    def plan(self, *words: str, **how: Any) -> Run:
        """Call `converge plan` on the declaration."""
        return self.run("plan", "converge.toml", "--json", *words, **how)

    def apply(self, *words: str, **how: Any) -> Run:
        """Call `converge apply` on the declaration."""
        return self.run("apply", "converge.toml", "--json", *words, **how)

    def check(self, *words: str, **how: Any) -> Run:
        """Call `converge check` on the declaration."""
        return self.run("check", "converge.toml", "--json", *words, **how)

    def applied(self, *words: str, **how: Any) -> Run:
        """Apply, and insist on success."""
        done = self.apply(*words, **how)
        assert done.code == 0, done.out + done.err
        return done

    def converges(self, *words: str) -> Resource:
        """Have drift foretold, told to a guard, put right, and found no more; return the plan's.

        What the plan says is what apply reports: the same action, the same changes, but for
        the name of a generation that nobody can know before it is made.
        """
        planned = self.plan(*words)
        assert planned.code == 0, planned.out + planned.err
        foretold = planned.first
        assert foretold["action"] != "none", "the plan sees nothing to do"
        if not words:
            assert self.check().code == 2
        done = self.applied(*words).first
        assert done["outcome"] == "changed"
        assert done["action"] == foretold["action"]
        assert _known(done) == _known(foretold)
        self.settled()
        return foretold

    def settled(self) -> None:
        """Insist that nobody finds anything to do."""
        again = self.apply()
        assert again.code == 0, again.out + again.err
        assert not again.report["changed"], again.out
        assert self.check().code == 0

    def python_says(self, program: str) -> str:
        """Run a program in the published environment; return what it prints."""
        return self.script("python", "-c", program)

    def script(self, name: str, *words: str) -> str:
        """Run a script of the published environment; return what it prints."""
        done = subprocess.run(
            [self.venv / "bin" / name, *words],
            env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def versions(self) -> dict[str, str]:
        """Return what is installed, by the names of the metadata folders."""
        found = (one.name.removesuffix(".dist-info") for one in self.site.glob("*.dist-info"))
        return dict(one.split("-", 1) for one in found)


def _known(resource: Resource) -> dict[str, tuple[str | None, str | None]]:
    return {
        name: (before, None if after is not None and name == "generation" else after)
        for name, (before, after) in changes(resource).items()
    }


@functools.cache
def _schema() -> dict[str, Any]:
    return dict(of_output())
