"""Compiles source files; run by the environment's own interpreter, 3.8 or later, as a script.

Arguments: the environment's folder, and a file with the relative paths of sources, one a
line. The bytecode is of PEP 552's unchecked-hash form: the same bytes for the same source
wherever and whenever it is compiled, so that it can be copied from one generation to the
next, and good after a restore that lost the times. The path inside is relative for the
same reason; the interpreter puts the real one in when it loads it.
"""

import marshal
import os
import py_compile
import sys


def main(root, listing):
    """Compile each file; one that does not compile is none that could be imported."""
    with open(listing, encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            path = line.rstrip("\n")
            try:
                made = py_compile.compile(
                    os.path.join(root, path),
                    dfile=path,
                    doraise=True,
                    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
                )
            except (
                py_compile.PyCompileError,
                SyntaxError,
                ValueError,
                UnicodeError,
                RecursionError,
            ):
                continue
            _check_whole(made)


def _check_whole(made):
    """Exit unless bytecode was written to its end: the standard library does not look."""
    with open(made, "rb") as stream:
        content = stream.read()
    try:
        marshal.loads(content[16:])
    except (EOFError, ValueError, TypeError):
        sys.exit(f"{made} was cut short: No space left, or a limit on the size of files")


if __name__ == "__main__":
    os.umask(0o022)
    main(sys.argv[1], sys.argv[2])
