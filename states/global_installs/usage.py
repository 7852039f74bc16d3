"""Match packages with the units, crontabs, and scripts that use them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Literal

    from states.global_installs.references.reference import Reference
    from states.global_installs.scan import Installed, InterpreterScan


@frozen
class Use:
    """One file that uses a package."""

    kind: str
    path: str
    how: Literal["starts", "imports"]
    names: tuple[str, ...]
    """The programs or the modules."""


def uses_of(
    package: Installed, scan: InterpreterScan, references: Iterable[Reference]
) -> Iterator[Use]:
    """Yield the files that start a program of a package, or import it.

    Args:
        package: The package.
        scan: All packages of its interpreter.
        references: The files of the host.

    Yields:
        The files, each with what it uses.

    """
    files = set(package.distribution.files)
    modules = _visible_modules(package, scan.packages)
    for reference in references:
        if reference.path in files or (package.user and reference.user != package.user):
            continue
        programs = [path for path in reference.usage.programs if path in files]
        imported = {
            module
            for interpreter, module in reference.usage.imports
            if interpreter == scan.layout.executable and module in modules
        }
        if programs:
            yield Use(reference.kind, reference.path, "starts", tuple(programs))
        elif imported:
            yield Use(reference.kind, reference.path, "imports", tuple(sorted(imported)))


def scripts_of(package: Installed) -> list[str]:
    """Return the programs of a package."""
    files = package.distribution.files
    return [path for path in files if os.path.dirname(path).endswith(("/bin", "/sbin"))]


def _visible_modules(package: Installed, packages: Sequence[Installed]) -> set[str]:
    """Return the modules that no package of the host in an earlier directory hides."""
    site = package.distribution.site
    hidden = {
        shadow.module
        for other in packages
        if not other.user
        for shadow in other.shadows
        if os.path.dirname(shadow.path) == site
    }
    return set(package.distribution.modules) - hidden
