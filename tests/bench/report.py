"""The figures, written down: one JSON file a benchmark, and all of them as Markdown."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.targets import Benchmark, Samples

HERE = Path(__file__).parent
RESULTS = HERE / "results"
MARKDOWN = HERE / "results.md"


def write(name: str, benchmark: Benchmark, samples: Samples, facts: Mapping[str, str]) -> None:
    """Write `results/NAME.json`."""
    targets = [
        {"what": target.what, "value": target.value(samples), "at_most": target.at_most}
        for target in benchmark.targets
        if target.needs <= samples.keys()
    ]
    result = {
        "name": name,
        "title": benchmark.title,
        "facts": dict(facts),
        "samples": {case: [asdict(one) for one in runs] for case, runs in samples.items()},
        "targets": targets,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def render(names: Iterable[str]) -> None:
    """Write results.md anew from the last result of each benchmark that has one."""
    parts = [_HEAD]
    for name in names:
        file = RESULTS / f"{name}.json"
        if file.exists():
            parts.append(section(json.loads(file.read_text())))
    MARKDOWN.write_text("\n\n".join(parts) + "\n")


_HEAD = """\
# Results

The last run of each benchmark; `README.md` beside this file says how they are run and what the
words mean. Wall time is the median, with the least and the most; processor time is the median,
children included; memory is the largest process of any run."""


def section(result: Mapping[str, Any]) -> str:
    """Return one benchmark as Markdown."""
    facts = "; ".join(f"{name} {value}" for name, value in result["facts"].items())
    lines = [f"## {result['title']} (`{result['name']}`)", "", f"{facts}.", ""]
    lines += ["| | wall | least – most | processor | memory |", "|---|---|---|---|---|"]
    for case, runs in result["samples"].items():
        walls = [one["wall"] for one in runs]
        processor = statistics.median(one["cpu"] for one in runs)
        peak = max(one["peak"] for one in runs)
        spread = f"{_time(min(walls))} – {_time(max(walls))}"
        cells = [case, _time(statistics.median(walls)), spread, _time(processor), f"{peak:.0f} MiB"]
        lines.append(f"| {' | '.join(cells)} |")
    if result["targets"]:
        lines += ["", "| | measured | at most | |", "|---|---|---|---|"]
    for target in result["targets"]:
        lines.append(_verdict(**target))
    return "\n".join(lines)


def _verdict(what: str, value: float, at_most: float | None) -> str:
    if at_most is None:
        return f"| {what} | {value:.3g} | | |"
    met = "met" if value <= at_most else "**missed**"
    return f"| {what} | {value:.3g} | {at_most:.3g} | {met} |"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
