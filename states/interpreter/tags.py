"""The wheel tags that an interpreter accepts (PEP 425). Never called by a run that changes nothing.

They depend on the implementation, the build, the word size, and the C library. The interpreter
that runs converge may differ in each of them, so the other interpreter itself is asked.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import zlib
from typing import TYPE_CHECKING

import packaging
from packaging.tags import Tag, compatible_tags, cpython_tags, platform_tags

from states.interpreter.discovery import information
from states.interpreter.launcher import user_of_interpreter
from states.interpreter.probe import parse_probe, probe_program
from states.system import subprocesses
from states.system.subprocesses import inherited_by

if TYPE_CHECKING:
    from python_discovery import PythonInfo

    from states.interpreter.discovery import Python

_GROUPS = (
    "[[key, [tag.platform for tag in group]] for key, group in itertools.groupby("
    "packaging.tags.sys_tags(), lambda tag: (tag.interpreter, tag.abi))]"
)
"""The tags, grouped by interpreter and ABI. Each group repeats the platforms, which compresses."""
_ENCODED = f"base64.b64encode(zlib.compress(json.dumps({_GROUPS}).encode())).decode()"


def accepted_tags(python: Python) -> tuple[Tag, ...]:
    """Return the wheel tags that an interpreter accepts, best first. Starts it once per run.

    Raises:
        OSError: The interpreter can't be started.

    """
    return _ask(python.executable, python.digest) or _compute(information(python))


@functools.cache
def _ask(executable: str, _digest: str) -> tuple[Tag, ...]:
    """Run `packaging` in an interpreter. Return nothing if it is too old for that."""
    # The directory of `packaging` comes last, so that it hides no module of the interpreter.
    directory = os.path.dirname(os.path.dirname(str(packaging.__file__)))
    setup = f"import base64, itertools, sys, zlib; sys.path.append({directory!r})"
    program = f"{setup}; import packaging.tags; {probe_program(_ENCODED)}"
    completed = subprocesses.run(
        [executable, "-I", "-S", "-B", "-c", program],
        env=subprocesses.clean_environment("/"),
        cwd="/",
        inherit=inherited_by(user_of_interpreter(executable)),
    )
    encoded = parse_probe(completed)
    if encoded is None:
        return ()
    groups = json.loads(zlib.decompress(base64.b64decode(encoded)))
    return tuple(
        Tag(interpreter, abi, platform)
        for (interpreter, abi), platforms in groups
        for platform in platforms
    )


def _compute(info: PythonInfo) -> tuple[Tag, ...]:
    """Return the tags of CPython 3.8, for which `packaging` is too new.

    Another implementation gets only wheels that don't depend on it.
    """
    version = (info.version_info.major, info.version_info.minor)
    interpreter = f"cp{version[0]}{version[1]}"
    platforms = list(platform_tags())
    is_cpython = info.implementation == "CPython"
    return (
        *(cpython_tags(version, abis=[interpreter], platforms=platforms) if is_cpython else ()),
        *compatible_tags(version, interpreter=interpreter, platforms=platforms),
    )
