"""Compiles source files; run by the environment's own interpreter, 3.8 or later, as a script.

Arguments: the environment's folder, and a file with the relative paths of sources, one a
line. The bytecode is of PEP 552's unchecked-hash form: the same bytes for the same source
wherever and whenever it is compiled, so that it can be copied from one generation to the
next, and good after a restore that lost the times. The path inside is relative for the
same reason; the interpreter puts the real one in when it loads it.
"""

import importlib.util
import marshal
import os
import sys
from importlib.machinery import SourceFileLoader

_UNCHECKED = (1).to_bytes(4, "little")


def main(root, listing):
    """Compile each file; one that does not compile is none that could be imported."""
    with open(listing, encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            path = line.rstrip("\n")
            whole = os.path.join(root, path)
            made = compiled(whole, path)
            if made:
                write(importlib.util.cache_from_source(whole), made)


def compiled(whole, path):
    """Return the bytecode of a source; empty where there can be none."""
    with open(whole, "rb", buffering=0) as stream:
        source = stream.read()
    try:
        # By the loader, as for any import: it is what knows the source's encoding.
        code = SourceFileLoader("", whole).source_to_code(source, path)
        inside = marshal.dumps(code)
    except Exception:
        return b""
    head = importlib.util.MAGIC_NUMBER + _UNCHECKED + importlib.util.source_hash(source)
    return head + inside


def write(target, content):
    """Write a file that is not there yet, to its end, which `py_compile` would not look at."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(target, "xb") as stream:
        stream.write(content)


if __name__ == "__main__":
    os.umask(0o022)
    main(sys.argv[1], sys.argv[2])
