"""Where distributions come from: the keys of a table, and the options of its requirement files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.frozen import replace
from states.installer import IndexOptions
from states.installer.credentials import strip_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from engine.table import Inputs
    from states.venv.resolve.lines.line import Line
    from states.venv.spec import Venv


def register_signatures(lines: Iterable[Line]) -> None:
    """Register the signatures in the URLs of requirements, which locks and receipts don't keep."""
    for line in lines:
        if line.requirement is not None and line.requirement.url:
            strip_credentials(line.requirement.url)


def add_file_options(spec: Venv, files: Mapping[str, Iterable[Line]], inputs: Inputs) -> Venv:
    """Add the indexes and directories that local requirement files name.

    pip lets the last index win. Two different ones are an error here: packages of a private index
    must never come from another one because of the order of files.

    Args:
        spec: The spec with absolute paths.
        files: The valid lines of all files, by the key that names the files.
        inputs: Collects errors.

    Returns:
        The spec with all sources.

    """
    options = [
        (key, line, name, value)
        for key, lines in files.items()
        for line in lines
        for name, value in line.options
    ]
    named = {"--extra-index-url": [*spec.extra_index_url], "--find-links": [*spec.find_links],
             "--trusted-host": [*spec.insecure_hosts]}  # fmt: skip
    index, origin = spec.index_url, "`index-url`"
    no_index = spec.no_index
    for key, line, name, value in options:
        if name == "--index-url":
            if index and index.rstrip("/") != value.rstrip("/"):
                message = f"{line.location()}: `--index-url` differs from {origin}"
                inputs.error((key,), message, "remove one of them, or use `--extra-index-url`")
            else:
                if not index:
                    inputs.add_origin(("index-url",), line.file, line.number)
                index, origin = value, line.location()
        if name == "--no-index" and not no_index:
            no_index = True
            inputs.add_origin(("no-index",), line.file, line.number)
        if name in named and value not in named[name]:
            inputs.add_origin((name.lstrip("-"), len(named[name])), line.file, line.number)
            named[name].append(value)
    return replace(
        spec,
        index_url=index,
        extra_index_url=tuple(named["--extra-index-url"]),
        find_links=tuple(named["--find-links"]),
        insecure_hosts=tuple(named["--trusted-host"]),
        no_index=no_index,
    )


def index_options(spec: Venv) -> IndexOptions:
    """Return the sources of a venv's distributions."""
    return IndexOptions(
        index_url=spec.index_url,
        extra_index_url=spec.extra_index_url,
        netrc=spec.netrc,
        find_links=spec.find_links,
        package_indexes=tuple(sorted(spec.package_index_url.items())),
        ignore_error_codes=spec.ignore_error_codes,
        insecure_hosts=spec.insecure_hosts,
        no_index=spec.no_index,
        exclude_newer=spec.exclude_newer,
        timeout_s=spec.download_timeout,
        retries=spec.download_retries,
    )
