"""Compile source files. The environment's own interpreter (3.8 or later) runs this as a script.

Arguments: the directory of the environment, a file with the relative paths of sources, one per
line, and a directory for the bytecode, which by default is the same one. The bytecode has the
unchecked-hash format of PEP 552: the same bytes for the same source, wherever and whenever it
is compiled. It can therefore be copied from one generation to the next, and it stays valid after
a restore that lost the modification times. For the same reason, the path inside it is relative.
The interpreter replaces it when it loads the file.
"""

import importlib.util
import marshal
import os
import sys
from importlib.machinery import SourceFileLoader

_UNCHECKED_HASH = (1).to_bytes(4, "little")


def main(root, listing, output):
    """Compile each file. Skip a file that doesn't compile, because it can't be imported either.

    Args:
        root: The directory of the environment.
        listing: The file with the paths of the sources.
        output: The directory for the bytecode.

    """
    with open(listing, encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            relative = line.rstrip("\n")
            path = os.path.join(root, relative)
            bytecode = compile_source(path, relative)
            if bytecode:
                target = os.path.join(output, relative)
                write_new(importlib.util.cache_from_source(target), bytecode)
            # A part of the step is done (`states.system.subprocesses.ADVANCED`).
            sys.stdout.write("\x01\n")
            sys.stdout.flush()


def compile_source(path, relative):
    """Return the bytecode of a source, or nothing if it doesn't compile."""
    with open(path, "rb", buffering=0) as stream:
        source = stream.read()
    try:
        # The loader is what an import uses, so it decodes the source as an import does.
        code = SourceFileLoader("", path).source_to_code(source, relative)
        dumped = marshal.dumps(code)
    except Exception:
        return b""
    header = importlib.util.MAGIC_NUMBER + _UNCHECKED_HASH + importlib.util.source_hash(source)
    return header + dumped


def write_new(path, content):
    """Write a file that doesn't exist, and fail on a short write, which `py_compile` ignores."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "xb") as stream:
        stream.write(content)


if __name__ == "__main__":
    os.umask(0o022)
    main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else sys.argv[1])
