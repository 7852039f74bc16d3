"""What a toy's generation holds; run as a script, the installer that writes it."""

import os
import sys

FILES = ("a", "b", "lib/c")


def content(version: str, name: str) -> bytes:
    """What file ``name`` holds in ``version``."""
    return f"{name} of {version}\n".encode() * 200


def write(path: str, data: bytes) -> None:
    """The whole of ``data`` into a new file."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)


if __name__ == "__main__":
    for name in FILES:
        write(f"{sys.argv[1]}/{name}", content(sys.argv[2], name))
