"""The benchmarks: one function each, listed in `BENCHMARKS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from engine.system.linux import cpu_count
from tests.bench import baselines, converge
from tests.bench.converge import CONVERGE, ONLY_DOWNLOADS
from tests.bench.inputs import OPENSTACK, SERVICES, openstack_services
from tests.bench.measure import RunError
from tests.bench.peers import ansible, pip, salt, uv
from tests.bench.targets import Benchmark, peak_ram, ratio, start_up
from tests.bench.workspace import Workspace

ONE_CPU = f"{CONVERGE}, one CPU"


def no_op_1(workspace: Workspace) -> Benchmark:
    """Measure the base cost of a run, with one environment."""
    services = ["keystone"]
    declaration = converge.declare(workspace, "noop-1", services)
    no_op = converge.no_op(workspace, declaration)  # builds the files for the lstat case
    return Benchmark(
        title="No-op over one environment",
        cases=[
            no_op,
            converge.no_op(workspace, declaration, "check", "converge check"),
            uv.no_op(workspace, services, uv.REQUIREMENTS),
            uv.no_op(workspace, services, uv.PYLOCK),
            baselines.bare(),
            baselines.in_python(workspace, declaration.venvs),
        ],
        targets=[
            start_up(CONVERGE, baselines.BARE, baselines.STATS, 3.0),
            ratio(CONVERGE, uv.REQUIREMENTS),
            ratio(CONVERGE, uv.PYLOCK),
        ],
    )


def no_op_10(workspace: Workspace) -> Benchmark:
    """Compare all tools on ten environments."""
    services = ["keystone"] * 10
    declaration = converge.declare(workspace, "noop-10", services)
    one_cpu = partial(converge.no_op, workspace, declaration, prefix=("taskset", "-c", "0"))
    cases = [
        converge.no_op(workspace, declaration),
        one_cpu(name=ONE_CPU),
        one_cpu(name=f"{ONE_CPU}, -j 1", options=("-j", "1")),
        uv.no_op(workspace, services, uv.REQUIREMENTS),
        uv.no_op(workspace, services, uv.PYLOCK),
        *baselines.in_c(workspace, declaration.venvs),
    ]
    if "pip" in workspace.peers:
        cases.append(pip.no_op(workspace, services))
    if "ansible" in workspace.peers:
        cases.append(ansible.no_op(workspace, services))
    if "salt" in workspace.peers:
        cases.append(salt.no_op(workspace, services))
    return Benchmark(
        title="No-op over ten environments",
        cases=cases,
        targets=[
            ratio(CONVERGE, uv.REQUIREMENTS, 0.9),
            ratio(CONVERGE, uv.PYLOCK, 1.5),
            ratio(ONE_CPU, f"{ONE_CPU}, -j 1", 1.05),
            ratio(baselines.STATS_IN_C, uv.REQUIREMENTS),
            ratio(CONVERGE, ansible.NAME, 1 / 30),
            ratio(CONVERGE, salt.NAME, 1 / 30),
        ],
    )


def no_op_services(workspace: Workspace) -> Benchmark:
    """Compare tools on ten different environments, which can't share any work."""
    services = list(SERVICES)
    return Benchmark(
        title="No-op over ten different environments",
        cases=[
            converge.no_op(workspace, converge.declare(workspace, "noop-services", services)),
            uv.no_op(workspace, services, uv.REQUIREMENTS),
            uv.no_op(workspace, services, uv.PYLOCK),
        ],
        targets=[ratio(CONVERGE, uv.REQUIREMENTS, 1.0), ratio(CONVERGE, uv.PYLOCK)],
    )


def no_op_100(workspace: Workspace) -> Benchmark:
    """Measure peak RAM, and whether the time grows faster than the number of environments."""
    services = ["keystone"] * 100
    ten = f"{CONVERGE}, 10 environments"
    return Benchmark(
        title="No-op over a hundred environments",
        cases=[
            converge.no_op(workspace, converge.declare(workspace, "noop-100", services)),
            converge.no_op(
                workspace, converge.declare(workspace, "noop-10", services[:10]), name=ten
            ),
            uv.no_op(workspace, services, uv.REQUIREMENTS),
            uv.no_op(workspace, services, uv.PYLOCK),
        ],
        targets=[
            peak_ram(CONVERGE, 150, processes=min(cpu_count(), 8)),
            ratio(CONVERGE, ten, 10.0),
            ratio(CONVERGE, uv.REQUIREMENTS, 1.0),
            ratio(CONVERGE, uv.PYLOCK),
        ],
    )


def verify_10(workspace: Workspace) -> Benchmark:
    """Hash every file of ten environments."""
    declaration = converge.declare(workspace, "noop-10", ["keystone"] * 10)
    verify = f"{CONVERGE} verify"
    return Benchmark(
        title="Verify ten environments",
        cases=[
            converge.no_op(workspace, declaration, "verify", verify),
            baselines.sha256sum(workspace, declaration.venvs, cpu_count()),
        ],
        targets=[ratio(verify, baselines.SHA256SUM, 1.2)],
    )


def plan_10(workspace: Workspace) -> Benchmark:
    """Plan ten different environments, none of which exists."""
    services = list(SERVICES)
    locked = converge.declare(workspace, "plan-locked", services)
    unlocked = converge.declare(workspace, "plan-remembered", services, locked=False)
    return Benchmark(
        title="Plan of ten different environments on an empty disk",
        cases=[
            converge.plan(workspace, locked, f"{CONVERGE} plan, locked"),
            converge.plan(workspace, unlocked, f"{CONVERGE} plan, versions of an earlier plan"),
        ],
        targets=[],
    )


def cold_1(workspace: Workspace) -> Benchmark:
    """Build one environment with a warm download cache."""
    declaration = converge.declare(workspace, "cold-1", ["keystone"])
    cases = [
        converge.cold_without_caches(workspace, declaration),
        converge.cold(workspace, declaration),
        uv.cold(workspace, ["keystone"]),
    ]
    if "pip" in workspace.peers:
        cases.append(pip.cold(workspace, ["keystone"]))
    if "ansible" in workspace.peers:
        cases.append(ansible.cold(workspace, ["keystone"]))
    if "salt" in workspace.peers:
        cases.append(salt.cold(workspace, "keystone"))
    slow = (pip.NAME, ansible.NAME, salt.NAME)
    return Benchmark(
        title="One environment built cold",
        cases=cases,
        targets=[
            ratio(ONLY_DOWNLOADS, uv.PYLOCK, 1.15),
            *(ratio(ONLY_DOWNLOADS, peer, 1 / 10) for peer in slow),
            ratio(CONVERGE, uv.PYLOCK, 1.3),
            *(ratio(CONVERGE, peer, 1 / 10) for peer in slow),
        ],
    )


def cold_10(workspace: Workspace) -> Benchmark:
    """Build ten different environments with a warm download cache."""
    services = list(SERVICES)
    declaration = converge.declare(workspace, "cold-10", services)
    return Benchmark(
        title="Ten different environments built cold",
        cases=[
            converge.cold_without_caches(workspace, declaration),
            converge.cold(workspace, declaration),
            uv.cold(workspace, services),
        ],
        targets=[ratio(ONLY_DOWNLOADS, uv.PYLOCK, 0.7), ratio(CONVERGE, uv.PYLOCK, 0.35)],
    )


def openstack(workspace: Workspace) -> Benchmark:
    """Build all services of an OpenStack series that have wheels."""
    services = openstack_services()
    if not services:
        raise RunError(f"{OPENSTACK} contains no requirements of services")
    declaration = converge.declare(workspace, "openstack", services)
    cases = [
        converge.cold_without_caches(workspace, declaration),
        uv.cold(workspace, services),
    ]
    if "pip" in workspace.peers:
        cases.append(pip.cold(workspace, services))
    if "ansible" in workspace.peers:
        cases.append(ansible.cold(workspace, services))
    return Benchmark(
        title=f"{len(services)} services of OpenStack built cold",
        cases=cases,
        targets=[
            ratio(ONLY_DOWNLOADS, uv.PYLOCK),
            ratio(ONLY_DOWNLOADS, pip.NAME, 0.2),
            ratio(ONLY_DOWNLOADS, ansible.NAME, 0.2),
        ],
    )


def update_1(workspace: Workspace) -> Benchmark:
    """Update one package of an environment."""
    older = converge.declare(workspace, "update-older", ["keystone-older"], venvs="update")
    newer = converge.declare(workspace, "update-newer", ["keystone"], venvs="update")
    update = f"{CONVERGE}, one package updated"
    return Benchmark(
        title="One package updated",
        cases=[
            converge.update(workspace, older, newer, update),
            converge.cold_without_caches(workspace, newer),
            converge.cold(workspace, newer),
        ],
        targets=[ratio(update, ONLY_DOWNLOADS, 0.2), ratio(update, CONVERGE)],
    )


def repair_1(workspace: Workspace) -> Benchmark:
    """Repair one deleted file of an environment."""
    declaration = converge.declare(workspace, "repair", ["keystone"])
    repair = f"{CONVERGE}, one file repaired"
    return Benchmark(
        title="One deleted file repaired",
        cases=[
            converge.repair(workspace, declaration, repair),
            converge.cold_without_caches(workspace, declaration),
        ],
        targets=[ratio(repair, ONLY_DOWNLOADS, 0.2)],
    )


BENCHMARKS: Mapping[str, Callable[[Workspace], Benchmark]] = {
    "noop-1": no_op_1,
    "noop-10": no_op_10,
    "noop-services": no_op_services,
    "noop-100": no_op_100,
    "verify-10": verify_10,
    "plan-10": plan_10,
    "cold-1": cold_1,
    "cold-10": cold_10,
    "openstack": openstack,
    "update-1": update_1,
    "repair-1": repair_1,
}
