"""Run every point of every scenario: `python -m tests.crash [PYTEST-ARGUMENTS]`."""

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    directory = str(Path(__file__).parent)
    sys.exit(pytest.main([directory, "--full-sweep", *sys.argv[1:]]))
