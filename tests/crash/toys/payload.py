"""The content of a toy generation. Run as a script, it's the installer that writes that content."""

import os
import sys

FILES = ("a", "b", "lib/c")


def content(version: str, name: str) -> bytes:
    """Return the content of file `name` in `version`."""
    return f"{name} of {version}\n".encode() * 200


def write(path: str, data: bytes) -> None:
    """Write `data` to `path` and create its parent directories."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    for name in FILES:
        write(f"{sys.argv[1]}/{name}", content(sys.argv[2], name))
