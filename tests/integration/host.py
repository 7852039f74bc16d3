"""A host for one test: private directories, wheels, and the command as users run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import command
from tests.support.command import ROOT, Change, Completed, Resource, changes

PYTHON = os.path.realpath(sys.executable)
"""The interpreter that venvs are created from by default."""
MINOR = f"python{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(kw_only=True, slots=True)
class Host:
    """Directories that belong to one test; `directory` contains the declaration and the rest."""

    directory: Path
    cache: Path
    python: str = PYTHON
    program: str = sys.executable
    """The interpreter that runs the command."""
    env: dict[str, str] = field(default_factory=dict)
    """Environment variables that are added to those of every run."""

    @property
    def wheels(self) -> Path:
        """The directory that declarations name in `find-links`."""
        return self.directory / "wheels"

    @property
    def venv(self) -> Path:
        """The published path of the declared venv."""
        return self.directory / "venvs" / "app"

    @property
    def store(self) -> Path:
        """The hidden directory next to the published path."""
        return self.directory / "venvs" / ".app"

    @property
    def generation(self) -> Path:
        """The directory of the live generation."""
        return Path(os.path.realpath(self.venv))

    @property
    def site(self) -> Path:
        """The site-packages directory of the live generation."""
        (site,) = self.generation.glob("lib/*/site-packages")
        return site

    def generations(self) -> list[str]:
        """Return the sorted names of all generations. Without a store, there are none."""
        if not self.store.exists():
            return []
        return sorted(entry.name for entry in (self.store / "generations").iterdir())

    def declare(self, packages: Sequence[str] = (), more: str = "", **keys: object) -> Path:
        """Write the declaration of one venv, `venv.app`, that installs the host's wheels.

        Args:
            packages: The requirements.
            more: TOML that follows the table of the venv.
            keys: Further keys, with `_` for `-`. None removes a default key.
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

    def write(self, content: str, name: str = "converge.toml") -> Path:
        """Write the declaration, or another file of the host."""
        file = self.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        return file

    def environment(self) -> dict[str, str]:
        """Return the environment of a run, which inherits nothing."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.directory / "home"),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CONVERGE_CACHE_DIR": str(self.cache),
            "CONVERGE_STATE_DIR": str(self.directory / "state"),
            **self.env,
        }

    def argv(self, *arguments: str | Path) -> list[str]:
        """Return the argument list of a run, for tests that start the process themselves."""
        return command.argv(self.program, *arguments)

    def run(
        self,
        *arguments: str | Path,
        prefix: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str = "",
        umask: int = 0o022,
    ) -> Completed:
        """Run the command to its end; see `tests.support.command.run`."""
        return command.run(
            *arguments,
            python=self.program,
            prefix=prefix,
            env={**self.environment(), **(env or {})},
            cwd=cwd or self.directory,
            stdin=stdin,
            umask=umask,
        )

    def plan(self, *arguments: str, **options: Any) -> Completed:
        """Run `converge plan --json` on the declaration."""
        return self.run("plan", "converge.toml", "--json", *arguments, **options)

    def apply(self, *arguments: str, **options: Any) -> Completed:
        """Run `converge apply --json` on the declaration."""
        return self.run("apply", "converge.toml", "--json", *arguments, **options)

    def check(self, *arguments: str, **options: Any) -> Completed:
        """Run `converge check --json` on the declaration."""
        return self.run("check", "converge.toml", "--json", *arguments, **options)

    def apply_ok(self, *arguments: str, **options: Any) -> Completed:
        """Apply the declaration, and assert that it succeeds."""
        done = self.apply(*arguments, **options)
        assert done.code == 0, done.out + done.err
        return done

    def assert_converges(self, *arguments: str) -> Resource:
        """Assert that a change is planned, reported by `check`, applied, and then complete.

        Plan and apply must report the same action and the same changes, except for the name of
        a new generation, which isn't known in advance. Return the planned resource.
        """
        plan = self.plan(*arguments)
        assert plan.code == 0, plan.out + plan.err
        planned = plan.first
        assert planned["action"] != "none", "the plan has no changes"
        if not arguments:
            assert self.check().code == 2
        applied = self.apply_ok(*arguments).first
        assert applied["outcome"] == "changed"
        assert applied["action"] == planned["action"]
        assert _predictable(applied) == _predictable(planned)
        self.assert_no_changes()
        return planned

    def assert_no_changes(self) -> None:
        """Assert that `apply` and `check` find no differences."""
        again = self.apply()
        assert again.code == 0, again.out + again.err
        assert not again.report["changed"], again.out
        assert self.check().code == 0

    def run_python(self, program: str) -> str:
        """Run a program in the published venv; return its output."""
        return self.run_script("python", "-c", program)

    def run_script(self, name: str, *arguments: str) -> str:
        """Run a script of the published venv; return its output."""
        process = subprocess.run(
            [self.venv / "bin" / name, *arguments],
            env={"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        return process.stdout.strip()

    def versions(self) -> dict[str, str]:
        """Return the installed versions by package name."""
        names = (path.name.removesuffix(".dist-info") for path in self.site.glob("*.dist-info"))
        return dict(name.split("-", 1) for name in names)


def _predictable(resource: Resource) -> dict[str, Change]:
    """Return the changes without the name of a new generation."""
    return {
        name: (before, None if after is not None and name == "generation" else after)
        for name, (before, after) in changes(resource).items()
    }
