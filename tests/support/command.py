"""Run the `converge` command as its users do: arguments in; exit code, output, and JSON out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

from tests.support import fork_server

ROOT = fork_server.ROOT
REPORTING = ("plan", "apply", "check", "adopt")
"""Commands whose `--json` output is the report that `converge schema output` describes."""
Resource = dict[str, Any]
"""One resource of a report."""
Change = tuple["str | None", "str | None"]
"""The values of an attribute before and after."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """The result of a run."""

    code: int
    out: str
    err: str
    document: dict[str, Any] | None = None
    """The parsed report, if the run was started with `--json`; it matches the published schema."""

    @property
    def report(self) -> dict[str, Any]:
        """The report of a run that was started with `--json`."""
        assert self.document is not None, f"the run printed no report: {self.out}{self.err}"
        return self.document

    @property
    def first(self) -> Resource:
        """The first resource of the report."""
        resource: Resource = self.report["resources"][0]
        return resource

    def resource(self, address: str) -> Resource:
        """Return the resource that has this address."""
        resources: list[Resource] = self.report["resources"]
        return next(resource for resource in resources if resource["address"] == address)

    def outcomes(self) -> dict[str, str]:
        """Return the outcome of each resource by address."""
        return {resource["address"]: resource["outcome"] for resource in self.report["resources"]}

    def actions(self) -> dict[str, str]:
        """Return the planned or performed action of each resource by address."""
        return {resource["address"]: resource["action"] for resource in self.report["resources"]}

    def changes(self) -> dict[str, Change]:
        """Return the changes of the first resource by attribute."""
        return changes(self.first)


def changes(resource: Resource) -> dict[str, Change]:
    """Return the values before and after a change by attribute."""
    return {
        change["attribute"]: (change["before"], change["after"]) for change in resource["changes"]
    }


def reasons(resource: Resource) -> dict[str, str]:
    """Return the reason of each change by attribute."""
    return {change["attribute"]: change["reason"] for change in resource["changes"]}


@dataclass(frozen=True, kw_only=True, slots=True)
class Converge:
    """Runs `python -m states` with a private home, cache and state directory."""

    home: Path
    python: str = sys.executable
    extra_env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that are added to those of every run."""

    @property
    def cache(self) -> Path:
        """The cache directory."""
        return self.home / "cache"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.home / "state"

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a run, which inherits only PATH."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "CONVERGE_CACHE_DIR": str(self.cache),
            "CONVERGE_STATE_DIR": str(self.state),
            **self.extra_env,
            **(env or {}),
        }

    def argv(self, *arguments: str | Path) -> list[str]:
        """Return the argument list of a run, for tests that start the process themselves."""
        return argv(self.python, *arguments)

    def __call__(
        self,
        *arguments: str | Path,
        stdin: str | bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        prefix: Sequence[str] = (),
        timeout: float = 300,
    ) -> Completed:
        """Run the command to its end; see `run`."""
        self.home.mkdir(parents=True, exist_ok=True)
        return run(
            *arguments,
            python=self.python,
            prefix=prefix,
            env=self.environment(env),
            cwd=cwd or self.home,
            stdin=stdin,
            timeout=timeout,
        )


def argv(python: str, *arguments: str | Path) -> list[str]:
    """Return the argument list that starts the command with an interpreter."""
    return [python, "-m", "states", *map(str, arguments)]


def run(
    *arguments: str | Path,
    python: str,
    env: Mapping[str, str],
    cwd: Path,
    prefix: Sequence[str] = (),
    stdin: str | bytes = b"",
    umask: int = -1,
    timeout: float = 300,
) -> Completed:
    """Run the command to its end, and check the report that it prints.

    Args:
        arguments: Arguments of the command; the first is the subcommand.
        python: The interpreter that runs the command.
        env: The complete environment.
        cwd: The current directory.
        prefix: A program and its arguments that start the command, such as a tracer.
        stdin: The content of standard input.
        umask: The umask; -1 inherits it.
        timeout: Seconds after which the test fails.
    """
    content = stdin.encode() if isinstance(stdin, str) else stdin
    texts = list(map(str, arguments))
    process: subprocess.CompletedProcess[bytes]
    if not prefix and fork_server.can_fork(python, env):
        process = fork_server.run(
            texts, env=env, cwd=cwd, stdin=content, umask=umask, timeout=timeout
        )
        return completed(texts, process.returncode, process.stdout, process.stderr)
    process = subprocess.run(
        [*prefix, *argv(python, *texts)],
        input=content,
        capture_output=True,
        env=env,
        cwd=cwd,
        umask=umask,
        timeout=timeout,
        check=False,
    )
    return completed(texts, process.returncode, process.stdout, process.stderr)


def completed(arguments: Sequence[str], code: int, out: bytes, err: bytes) -> Completed:
    """Return the result of a run; raise unless a requested report is one valid document.

    Args:
        arguments: Arguments of the command; the first is the subcommand.
        code: The exit code.
        out: The content of standard output.
        err: The content of standard error.
    """
    document = None
    if "--json" in arguments and arguments[0] in REPORTING and out:
        document = json.loads(out)
        report_validator().validate(document)
        assert document["exit"]["code"] == code, document["exit"]
    return Completed(code=code, out=out.decode(), err=err.decode(), document=document)


@cache
def report_validator() -> jsonschema.Draft7Validator:
    """Return a validator of reports, made from the output of `converge schema output`."""
    process = subprocess.run(
        [sys.executable, "-m", "states", "schema", "output"],
        capture_output=True,
        cwd=ROOT,
        check=True,
    )
    schema: dict[str, Any] = json.loads(process.stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)
