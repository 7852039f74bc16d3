"""Hash files, and compile sources. The interpreter of an environment (3.8 or later) runs this.

It reads each file once, and reports the digest of the very bytes that it compiled.

Arguments: the directory of the environment, a file with one job in each line, and optionally a
directory for the bytecode. With that directory, this process does all jobs. Otherwise, it takes
one after the other from a queue that other processes share. `workers` describes both files.

The bytecode has the unchecked-hash format of PEP 552: the same bytes for the same source,
wherever and whenever it is compiled. It can therefore be copied from one generation to the next,
and it stays valid after a restore that lost the modification times. For the same reason, the
path inside it is relative. The interpreter replaces it when it loads the file.
"""

import contextlib
import hashlib
import importlib.util
import json
import marshal
import os
import stat
import sys
from importlib.machinery import SourceFileLoader

_UNCHECKED_HASH = (1).to_bytes(4, "little")
_CHUNK_SIZE = 1 << 20
_NUMBER_SIZE = 4
"""The size in bytes of a job's number in the queue (`workers`)."""


def main(root, listing, output):
    """Do the jobs.

    Args:
        root: The directory of the environment.
        listing: The file with the jobs.
        output: The directory for the bytecode, or None for `root` and the jobs of the queue.

    """
    with open(listing, encoding="ascii") as stream:
        jobs = [json.loads(line) for line in stream]
    for number in take_numbers() if output is None else range(len(jobs)):
        job = jobs[number]
        result = do(root, root if output is None else output, job)
        if job["result"]:
            with open(job["result"], "w", encoding="ascii") as stream:
                json.dump(result, stream)
        # Parts of the step are done (`states.system.subprocesses.ADVANCED`).
        sys.stdout.write("\x01\n" * len(job["files"]))
        sys.stdout.flush()


def take_numbers():
    """Yield the number of each job that no other process has taken.

    Standard input is one open file, whose position all processes share. Linux makes reading and
    advancing it one step (since 3.14).
    """
    while True:
        number = os.read(0, _NUMBER_SIZE)
        if not number:
            return
        yield int.from_bytes(number, "little")


def do(root, output, job):
    """Hash, restore, or compile files.

    Args:
        root: The directory of the environment.
        output: The directory for the bytecode.
        job: The job.

    Returns:
        For each file its SHA-256, that of its bytecode, and the size of its bytecode in bytes.

    """
    if not job["compile"]:
        return [(hash_file(os.path.join(root, path)), "", 0) for path in job["files"]]
    return restore(root, output, job) or compile_all(root, output, job)


def hash_file(path):
    """Return the SHA-256 of a file, or nothing if the caller has to examine it."""
    digest = hashlib.sha256()
    try:
        with open(path, "rb", buffering=0, opener=open_without_following) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                return ""
            remaining = status.st_size
            while remaining > 0:
                chunk = stream.read(min(remaining, _CHUNK_SIZE))
                if not chunk:
                    break
                digest.update(chunk)
                remaining -= len(chunk)
    except OSError:
        return ""
    return digest.hexdigest()


def open_without_following(path, flags):
    """Open a file without following a symlink, and without waiting for a writer."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def restore(root, output, job):
    """Write the bytecode of a cache file, if all sources and all of its content are as expected.

    Args:
        root: The directory of the environment.
        output: The directory for the bytecode.
        job: The job.

    Returns:
        The result, or nothing if the sources have to be compiled.

    """
    if not job["cached"]:
        return None
    for path, (digest, _, _) in zip(job["files"], job["expected"]):  # noqa: B905 (Python 3.10)
        if hash_file(os.path.join(root, path)) != digest:
            return None
    bytecode = []
    try:
        with open(job["cached"], "rb", buffering=0) as stream:
            for _, digest, size in job["expected"]:
                content = stream.read(size) if size else b""
                if size and hashlib.sha256(content).hexdigest() != digest:
                    return None
                bytecode.append(content)
    except OSError:
        return None
    for path, content in zip(job["files"], bytecode):  # noqa: B905 (Python 3.10)
        if content:
            write_new(importlib.util.cache_from_source(os.path.join(output, path)), content)
    return job["expected"]


def compile_all(root, output, job):
    """Compile sources. Skip one that doesn't compile, because it can't be imported either.

    Args:
        root: The directory of the environment.
        output: The directory for the bytecode.
        job: The job. If it names a file for that, all bytecode is also written there.

    Returns:
        The result.

    """
    result, packed = [], []
    for relative in job["files"]:
        path = os.path.join(root, relative)
        with open(path, "rb", buffering=0) as stream:
            source = stream.read()
        bytecode = compile_source(source, path, relative)
        digest = ""
        if bytecode:
            digest = hashlib.sha256(bytecode).hexdigest()
            target = os.path.join(output, relative)
            write_new(importlib.util.cache_from_source(target), bytecode)
        packed.append(bytecode)
        result.append((hashlib.sha256(source).hexdigest(), digest, len(bytecode)))
    if job["packed"]:
        # The cache can be on a full disk. Its caller checks the size.
        with contextlib.suppress(OSError), open(job["packed"], "xb") as stream:
            stream.writelines(packed)
    return result


def compile_source(source, path, relative):
    """Return the bytecode of a source, or nothing if it doesn't compile.

    Args:
        source: The bytes of the source.
        path: Its path.
        relative: Its path in the environment, which becomes part of the bytecode.

    Returns:
        The content of the bytecode file.

    """
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
    try:
        stream = open(path, "xb")  # noqa: SIM115 (closed below)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        stream = open(path, "xb")  # noqa: SIM115 (closed below)
    with stream:
        stream.write(content)


if __name__ == "__main__":
    os.umask(0o022)
    main(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None)
