"""The benchmarks themselves: one function each, listed in `BENCHMARKS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.bench import floor, ours
from tests.bench.inputs import SERVICES
from tests.bench.ours import CONVERGE, ONLY_DOWNLOADS
from tests.bench.peers import ansible, pip, salt, uv
from tests.bench.setting import Setting
from tests.bench.targets import Benchmark, memory, ratio, start_up


def no_op_1(setting: Setting) -> Benchmark:
    """One environment: what it costs to be there at all."""
    services = ["keystone"]
    declared = ours.declare(setting, "noop-1", services)
    no_op = ours.no_op(setting, declared)  # builds it, which the stats need
    return Benchmark(
        title="No-op over one environment",
        cases=[
            no_op,
            ours.no_op(setting, declared, "check", "converge check"),
            uv.no_op(setting, services, uv.REQUIREMENTS),
            uv.no_op(setting, services, uv.PYLOCK),
            floor.bare(),
            floor.in_python(setting, declared.venvs),
        ],
        targets=[
            start_up(CONVERGE, floor.BARE, floor.STATS, 4.0),
            ratio(CONVERGE, uv.REQUIREMENTS),
            ratio(CONVERGE, uv.PYLOCK),
        ],
    )


def no_op_10(setting: Setting) -> Benchmark:
    """Ten environments, against everyone."""
    services = ["keystone"] * 10
    declared = ours.declare(setting, "noop-10", services)
    cases = [
        ours.no_op(setting, declared),
        uv.no_op(setting, services, uv.REQUIREMENTS),
        uv.no_op(setting, services, uv.PYLOCK),
        *floor.in_c(setting, declared.venvs),
    ]
    if "pip" in setting.peers:
        cases.append(pip.no_op(setting, services))
    if "ansible" in setting.peers:
        cases.append(ansible.no_op(setting, services))
    if "salt" in setting.peers:
        cases.append(salt.no_op(setting, services))
    return Benchmark(
        title="No-op over ten environments",
        cases=cases,
        targets=[
            ratio(CONVERGE, uv.REQUIREMENTS, 1.0),
            ratio(CONVERGE, uv.PYLOCK),
            ratio(floor.STATS_IN_C, uv.REQUIREMENTS),
            ratio(CONVERGE, ansible.NAME, 1 / 30),
            ratio(CONVERGE, salt.NAME, 1 / 30),
        ],
    )


def no_op_services(setting: Setting) -> Benchmark:
    """Ten different environments, so that nothing can be shared between them."""
    services = list(SERVICES)
    return Benchmark(
        title="No-op over ten different environments",
        cases=[
            ours.no_op(setting, ours.declare(setting, "noop-services", services)),
            uv.no_op(setting, services, uv.REQUIREMENTS),
            uv.no_op(setting, services, uv.PYLOCK),
        ],
        targets=[ratio(CONVERGE, uv.REQUIREMENTS, 1.0), ratio(CONVERGE, uv.PYLOCK)],
    )


def no_op_100(setting: Setting) -> Benchmark:
    """Take a hundred environments: memory, and whether time grows faster than their number."""
    services = ["keystone"] * 100
    ten = f"{CONVERGE}, 10 of them"
    return Benchmark(
        title="No-op over a hundred environments",
        cases=[
            ours.no_op(setting, ours.declare(setting, "noop-100", services)),
            ours.no_op(setting, ours.declare(setting, "noop-10", services[:10]), name=ten),
            uv.no_op(setting, services, uv.REQUIREMENTS),
            uv.no_op(setting, services, uv.PYLOCK),
        ],
        targets=[
            memory(CONVERGE, 150),
            ratio(CONVERGE, ten, 10.0),
            ratio(CONVERGE, uv.REQUIREMENTS, 1.0),
            ratio(CONVERGE, uv.PYLOCK),
        ],
    )


def cold_1(setting: Setting) -> Benchmark:
    """Build one environment from nothing, the download cache warm."""
    declared = ours.declare(setting, "cold-1", ["keystone"])
    cases = [
        ours.colder(setting, declared),
        ours.cold(setting, declared),
        uv.cold(setting, ["keystone"]),
    ]
    if "pip" in setting.peers:
        cases.append(pip.cold(setting, "keystone"))
    if "ansible" in setting.peers:
        cases.append(ansible.cold(setting, "keystone"))
    if "salt" in setting.peers:
        cases.append(salt.cold(setting, "keystone"))
    slow = (pip.NAME, ansible.NAME, salt.NAME)
    return Benchmark(
        title="One environment built cold",
        cases=cases,
        targets=[
            ratio(ONLY_DOWNLOADS, uv.PYLOCK, 1.3),
            *(ratio(ONLY_DOWNLOADS, peer, 1 / 10) for peer in slow),
            ratio(CONVERGE, uv.PYLOCK, 1.3),
            *(ratio(CONVERGE, peer, 1 / 10) for peer in slow),
        ],
    )


def cold_10(setting: Setting) -> Benchmark:
    """Build ten different environments from nothing, the download cache warm."""
    services = list(SERVICES)
    declared = ours.declare(setting, "cold-10", services)
    return Benchmark(
        title="Ten different environments built cold",
        cases=[
            ours.colder(setting, declared),
            ours.cold(setting, declared),
            uv.cold(setting, services),
        ],
        targets=[ratio(ONLY_DOWNLOADS, uv.PYLOCK, 1.0), ratio(CONVERGE, uv.PYLOCK, 1.0)],
    )


def update_1(setting: Setting) -> Benchmark:
    """One package of an environment changes."""
    older = ours.declare(setting, "update-older", ["keystone-older"], venvs="update")
    newer = ours.declare(setting, "update-newer", ["keystone"], venvs="update")
    update = f"{CONVERGE}, one package updated"
    return Benchmark(
        title="One package updated",
        cases=[
            ours.update(setting, older, newer, update),
            ours.colder(setting, newer),
            ours.cold(setting, newer),
        ],
        targets=[ratio(update, ONLY_DOWNLOADS, 0.5), ratio(update, CONVERGE, 0.5)],
    )


BENCHMARKS: Mapping[str, Callable[[Setting], Benchmark]] = {
    "noop-1": no_op_1,
    "noop-10": no_op_10,
    "noop-services": no_op_services,
    "noop-100": no_op_100,
    "cold-1": cold_1,
    "cold-10": cold_10,
    "update-1": update_1,
}
