"""Run every point of every scenario: `python -m tests.crash [PYTEST-ARGUMENTS]`."""

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    directory = str(Path(__file__).parent)
    # An empty -m overrides the one in pyproject.toml, which deselects the `sweep` cases.
    sys.exit(pytest.main([directory, "-m", "", "--full-sweep", *sys.argv[1:]]))
