"""Lower bounds: the cost of an empty process, and of one `lstat` call or one hash per file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import Case, argv
from tests.bench.workspace import Workspace

BARE = "python -I -c pass"
STATS = "lstat of every file"
STATS_IN_C = "lstat of every file, in C"
SHA256SUM = "sha256sum"

_PYTHON = """\
import os, sys
with open(sys.argv[1]) as file:
    paths = file.read().split('\\0')
for path in paths:
    os.lstat(path)
"""
_C = """\
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Argument: a file with zero-terminated paths. Relative paths follow their absolute directory. */
int main(int count, char **arguments) {
    FILE *file = fopen(arguments[1], "r");
    struct stat status;
    if (!file || fseek(file, 0, SEEK_END)) return 1;
    size_t size = ftell(file);
    char *all = malloc(size + 1);
    rewind(file);
    if (!all || fread(all, 1, size, file) != size) return 1;
    for (char *path = all; path < all + size; path += strlen(path) + 1)
        if (*path == '/' ? chdir(path) : lstat(path, &status)) return 1;
    return 0;
}
"""


def bare() -> Case:
    """Return the case of an interpreter that runs an empty program."""
    return Case(name=BARE, commands=[argv(sys.executable, "-I", "-c", "pass")])


def in_python(workspace: Workspace, venvs: Path) -> Case:
    """Return the case of a Python loop over all files below a directory, by absolute path."""
    directory = workspace.make_directory("stats")
    (directory / "stats.py").write_text(_PYTHON)
    (directory / "paths").write_text("\0".join(str(path) for path in _below(venvs)))
    command = argv(sys.executable, "-I", directory / "stats.py", directory / "paths")
    return Case(name=STATS, commands=[command])


def in_c(workspace: Workspace, venvs: Path) -> list[Case]:
    """Return the case of the same loop in C, by relative path. Empty without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return []
    directory = workspace.make_directory("stats-in-c")
    (directory / "stats.c").write_text(_C)
    compile_command = [compiler, "-O2", "-o", str(directory / "stats"), str(directory / "stats.c")]
    subprocess.run(compile_command, check=True)
    # Write each path immediately. The kernel counts the RAM of this process for its children.
    with (directory / "paths").open("w") as paths_file:
        for root in sorted(venvs.glob(".*/generations/*")):
            paths_file.write(f"{root}\0")
            for path in _below(root):
                paths_file.write(f"{path.relative_to(root)}\0")
    return [Case(name=STATS_IN_C, commands=[argv(directory / "stats", directory / "paths")])]


def sha256sum(workspace: Workspace, venvs: Path, processes: int) -> Case:
    """Return the case of hashing all files of the live generations in as many processes."""
    directory = workspace.make_directory("sha256sum")
    files = (
        path
        for venv in venvs.iterdir()
        if venv.is_symlink()
        for path in _below(venv.resolve())
        if path.is_file() and not path.is_symlink()
    )
    (directory / "paths").write_text("\0".join(map(str, files)))
    command = 'exec xargs -0 -a "$1" -n 500 -P "$2" sha256sum > /dev/null'
    shell = argv("sh", "-c", command, "sh", directory / "paths", str(processes))
    return Case(name=SHA256SUM, commands=[shell])


def _below(directory: Path) -> Iterator[Path]:
    for parent, directories, files in os.walk(directory):
        yield from (Path(parent, name) for name in (*directories, *files))
