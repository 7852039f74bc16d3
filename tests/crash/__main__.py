"""Run every point of every scenario: `python -m tests.crash [PYTEST-ARGUMENTS]`.

Or run many commands at once under random kills: `python -m tests.crash soak [--seconds N] [--seed S]`.
"""

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from . import disks, product, workers
from .soak import Soak


def soak(arguments: list[str]) -> int:
    """Run the soak with read-only mounts around it, and print its report."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash soak")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args(arguments)
    error = product.startup_error()
    if error:
        sys.exit(error)
    home = Path(tempfile.mkdtemp(prefix="crash-soak-", dir=disks.image_dir()))
    try:
        disturbance = Soak(home=home, seed=options.seed, seconds=options.seconds)
        lines = workers.collect(workers.spawn_isolated(disturbance.lines, home))
    finally:
        shutil.rmtree(home)
    print(*lines, sep="\n")
    return int("0 violations" not in lines)


if __name__ == "__main__":
    if sys.argv[1:2] == ["soak"]:
        sys.exit(soak(sys.argv[2:]))
    directory = str(Path(__file__).parent)
    sys.exit(pytest.main([directory, "--full-sweep", *sys.argv[1:]]))
