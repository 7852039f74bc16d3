"""Create the wheels that the how-to guides install, in `wheels` in the current directory.

The wheels are versions 1.0 and 2.0 of a package named `app`. Only Python is needed, no
index and no build tool.
"""

import base64
import hashlib
from pathlib import Path
from zipfile import ZipFile


def row(name: str, text: str) -> str:
    """Return the RECORD row of a file: name, digest, and size."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"{name},sha256={digest.rstrip('=')},{len(text)}\n"


for version in ("1.0", "2.0"):
    info = f"app-{version}.dist-info"
    files = {
        "app/__init__.py": f'__version__ = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: app\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [row(name, text) for name, text in files.items()]
    files[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"])
    Path("wheels").mkdir(exist_ok=True)
    with ZipFile(f"wheels/app-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
