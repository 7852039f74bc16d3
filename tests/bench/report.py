"""Write the results: one JSON file for each benchmark, and all of them as Markdown."""

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
        {"name": target.name, "value": target.value(samples), "at_most": target.at_most}
        for target in benchmark.targets
        if target.needs <= samples.keys()
    ]
    result = {
        "name": name,
        "title": benchmark.title,
        "facts": dict(facts),
        "samples": {case: [asdict(sample) for sample in runs] for case, runs in samples.items()},
        "targets": targets,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def render(names: Iterable[str]) -> None:
    """Write results.md from the last result of each benchmark."""
    parts = [_HEAD]
    for name in names:
        file = RESULTS / f"{name}.json"
        if file.exists():
            parts.append(section(json.loads(file.read_text())))
    MARKDOWN.write_text("\n\n".join(parts) + "\n")


_HEAD = """\
# Results

The last run of each benchmark. [README.md](README.md) describes the cases and how they are measured.
Wall time is the median, followed by the minimum and the maximum. CPU time is the median and includes
child processes. Peak RAM is that of the largest process in any run."""


def section(result: Mapping[str, Any]) -> str:
    """Return one benchmark as Markdown."""
    facts = ", ".join(f"{name} {value}" for name, value in result["facts"].items())
    lines = [f"## {result['title']} (`{result['name']}`)", "", f"{facts}.", ""]
    lines += ["| case | wall time | min – max | CPU time | peak RAM |", "|---|---|---|---|---|"]
    for case, runs in result["samples"].items():
        walls = [sample["wall"] for sample in runs]
        cpu = statistics.median(sample["cpu"] for sample in runs)
        peak = max(sample["peak"] for sample in runs)
        spread = f"{_time(min(walls))} – {_time(max(walls))}"
        cells = [case, _time(statistics.median(walls)), spread, _time(cpu), f"{peak:.0f} MiB"]
        lines.append(f"| {' | '.join(cells)} |")
    if result["targets"]:
        lines += ["", "| target | measured | maximum | result |", "|---|---|---|---|"]
    for target in result["targets"]:
        lines.append(_target_row(**target))
    return "\n".join(lines)


def _target_row(name: str, value: float, at_most: float | None) -> str:
    if at_most is None:
        return f"| {name} | {value:.3g} | | |"
    met = "met" if value <= at_most else "**missed**"
    return f"| {name} | {value:.3g} | {at_most:.3g} | {met} |"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
