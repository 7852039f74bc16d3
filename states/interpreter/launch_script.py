"""Run an interpreter as another user. The current interpreter runs this as a script.

A tool that only accepts the path of an interpreter gets that of a shell script, which starts
this one. Arguments: a JSON file (`launcher.Configuration`), then those of the interpreter. They
may name files that only root can read, which are copied to a directory that the user can read.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

PUBLIC_DIRECTORIES = ("/tmp", "/var/tmp", "/dev/shm", "/")
"""Directories that every user can enter."""


def main(path: str, arguments: list[str]) -> int:
    """Return the exit status of the interpreter."""
    with open(path, encoding="utf-8") as stream:
        configuration = json.load(stream)
    # Not TMPDIR, which only root can enter.
    parent = next(filter(os.path.isdir, PUBLIC_DIRECTORIES))
    directory = tempfile.mkdtemp(prefix="converge-", dir=parent)
    os.chmod(directory, 0o755)
    try:
        prefixes = "|".join(map(re.escape, configuration["private"]))
        arguments = [copy_files(text, prefixes, directory) for text in arguments]
        return subprocess.run(
            [configuration["program"], *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": os.defpath, "HOME": "/", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"},
            user=configuration["uid"],
            group=configuration["gid"],
            extra_groups=configuration["groups"],
        ).returncode
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def copy_files(text: str, prefixes: str, directory: str) -> str:
    """Replace the path of each existing file or directory below a prefix by that of a copy.

    Args:
        text: An argument.
        prefixes: The prefixes, as a regular expression.
        directory: The directory for the copies.

    Returns:
        The argument with other paths.

    """

    def copy(match: re.Match[str]) -> str:
        source = match.group()
        target = os.path.join(directory, str(len(os.listdir(directory))), "copy")
        if os.path.isdir(source):
            shutil.copytree(source, target)
        elif os.path.isfile(source):
            os.mkdir(os.path.dirname(target))
            shutil.copyfile(source, target)
        else:
            return source
        for parent, names, files in os.walk(os.path.dirname(target)):
            for name in names:
                os.chmod(os.path.join(parent, name), 0o755)
            for name in files:
                os.chmod(os.path.join(parent, name), 0o644)
        return target

    return re.sub(rf"(?:{prefixes})/[\w./-]+", copy, text)


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
