"""An environment from an index that wants a password."""

import os
from pathlib import Path

from pyinfra.api import HiddenValue
from pyinfra_converge import converge

converge.applied(
    name="A private environment",
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
