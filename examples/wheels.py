"""Fill the folder `wheels` below the current one with what the how-to pages install.

That is `app` in two versions. It needs nothing but Python, no index and no build tool.
"""

from pathlib import Path
from zipfile import ZipFile

for version in ("1.0", "2.0"):
    info = f"app-{version}.dist-info"
    files = {
        "app/__init__.py": f'__version__ = "{version}"\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: app\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    Path("wheels").mkdir(exist_ok=True)
    with ZipFile(f"wheels/app-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
