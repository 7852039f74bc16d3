"""What it costs merely to look at every file, and to be there at all: nobody can do with less."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.measure import Case, argv
from tests.bench.setting import Setting

BARE = "python -I -c pass"
STATS = "lstat of every file"
STATS_IN_C = "lstat of every file, in C"

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

/* Names a file with paths that each end with a zero byte; relative to the last absolute one. */
int main(int count, char **words) {
    FILE *file = fopen(words[1], "r");
    struct stat found;
    if (!file || fseek(file, 0, SEEK_END)) return 1;
    size_t size = ftell(file);
    char *all = malloc(size + 1);
    rewind(file);
    if (!all || fread(all, 1, size, file) != size) return 1;
    for (char *path = all; path < all + size; path += strlen(path) + 1)
        if (*path == '/' ? chdir(path) : lstat(path, &found)) return 1;
    return 0;
}
"""


def bare() -> Case:
    """Return the case of an interpreter that does nothing."""
    return Case(name=BARE, commands=[argv(sys.executable, "-I", "-c", "pass")])


def in_python(setting: Setting, venvs: Path) -> Case:
    """Return the case of a loop over all that lies below a folder, by absolute path."""
    folder = setting.make_folder("stats")
    (folder / "stats.py").write_text(_PYTHON)
    (folder / "paths").write_text("\0".join(str(path) for path in _below(venvs)))
    command = argv(sys.executable, "-I", folder / "stats.py", folder / "paths")
    return Case(name=STATS, commands=[command])


def in_c(setting: Setting, venvs: Path) -> list[Case]:
    """Return the case of the same in C, from inside each generation; none without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return []
    folder = setting.make_folder("stats-in-c")
    (folder / "stats.c").write_text(_C)
    made = [compiler, "-O2", "-o", str(folder / "stats"), str(folder / "stats.c")]
    subprocess.run(made, check=True)
    # Written as it is found: what we hold counts as the memory of whom we start.
    with (folder / "paths").open("w") as listed:
        for root in sorted(venvs.glob(".*/generations/*")):
            listed.write(f"{root}\0")
            for path in _below(root):
                listed.write(f"{path.relative_to(root)}\0")
    return [Case(name=STATS_IN_C, commands=[argv(folder / "stats", folder / "paths")])]


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent, name) for name in (*folders, *files))
