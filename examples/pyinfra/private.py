"""Create a venv from a private index."""

import os
from pathlib import Path

from pyinfra.api import HiddenValue
from pyinfra_converge import converge

converge.applied(
    name="Create a private venv",
    declaration={
        "venv": {
            "private": {
                "path": str(Path(__file__).parent / "venvs" / "private"),
                "packages": ["app==1.0"],
                "index-url": "env:WHEELS",
            }
        }
    },
    secrets={"WHEELS": HiddenValue(os.environ["WHEELS"])},
)
