"""``python -m tests.crash [PYTEST-ARGUMENTS]``: every point of every scene."""

import sys
from pathlib import Path

import pytest

if __name__ == "__main__":
    here = str(Path(__file__).parent)
    sys.exit(pytest.main([here, "--full-sweep", *sys.argv[1:]]))
