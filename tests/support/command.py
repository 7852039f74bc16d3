"""The `converge` command as its callers meet it: words in; an exit code, text and JSON out."""

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

ROOT = Path(__file__).resolve().parents[2]
REPORTING = ("plan", "apply", "check")
"""Verbs whose `--json` is the report that `converge schema output` describes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a run ended."""

    code: int
    out: str
    err: str
    document: dict[str, Any] | None = None
    """What it printed, where it was asked for JSON; valid by the published schema."""

    @property
    def report(self) -> dict[str, Any]:
        """The document of a run that was asked for JSON."""
        assert self.document is not None, f"no JSON was asked for; it said {self.out}{self.err}"
        return self.document

    def outcomes(self) -> dict[str, str]:
        """Return how each resource ended, by address."""
        return {one["address"]: one["outcome"] for one in self.report["resources"]}

    def actions(self) -> dict[str, str]:
        """Return what was or would be done to each resource, by address."""
        return {one["address"]: one["action"] for one in self.report["resources"]}

    def of(self, address: str) -> dict[str, Any]:
        """Return what is reported of one resource."""
        return next(one for one in self.report["resources"] if one["address"] == address)


@dataclass(frozen=True, kw_only=True, slots=True)
class Converge:
    """Runs `python -m states` with a home, a cache and a state folder of its own."""

    home: Path
    python: str = sys.executable
    extra: Mapping[str, str] = field(default_factory=dict)
    """Variables that each run gets besides the few that all have."""

    @property
    def cache(self) -> Path:
        """Where its cache is."""
        return self.home / "cache"

    @property
    def state(self) -> Path:
        """Where its notes are."""
        return self.home / "state"

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a run; it owes nothing to ours but PATH."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "CONVERGE_CACHE_DIR": str(self.cache),
            "CONVERGE_STATE_DIR": str(self.state),
            **self.extra,
            **(env or {}),
        }

    def argv(self, *words: str | Path) -> list[str]:
        """Return the words that start a run, for a test that must hold the process itself."""
        return [self.python, "-m", "states", *map(str, words)]

    def __call__(
        self,
        *words: str | Path,
        stdin: str | bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        under: Sequence[str] = (),
        timeout: float = 300,
    ) -> Ended:
        """Run it to its end; `under` are words to put before it, such as a tracer's."""
        self.home.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [*under, *self.argv(*words)],
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            env=self.environment(env),
            cwd=cwd or self.home,
            timeout=timeout,
            check=False,
        )
        return ended(list(map(str, words)), done.returncode, done.stdout, done.stderr)


def ended(words: Sequence[str], code: int, out: bytes, err: bytes) -> Ended:
    """Make the result of a run; raises unless JSON that was asked for is one valid document."""
    document = None
    if "--json" in words and words[0] in REPORTING and out:
        document = json.loads(out)
        jsonschema.validate(document, output_schema())
        assert document["exit"]["code"] == code, document["exit"]
    return Ended(code=code, out=out.decode(), err=err.decode(), document=document)


@cache
def output_schema() -> dict[str, Any]:
    """Return what `converge schema output` prints."""
    done = subprocess.run(
        [sys.executable, "-m", "states", "schema", "output"],
        capture_output=True,
        cwd=ROOT,
        check=True,
    )
    schema: dict[str, Any] = json.loads(done.stdout)
    jsonschema.Draft7Validator.check_schema(schema)
    return schema
