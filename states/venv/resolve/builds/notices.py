"""Messages about settings of builds that have no effect."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from states.venv.resolve.builds.settings import package_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from states.venv.integrity.receipt import Package
    from states.venv.spec import Venv

_SIMILAR = 0.8
"""The similarity of names from which one is probably a misspelling of the other."""


def build_notices(spec: Venv, packages: tuple[Package, ...]) -> Iterator[str]:
    """Yield messages about packages whose build settings have no effect.

    A table of defaults also names packages of other venvs, so a name that isn't installed is
    reported only if it is probably misspelt.

    Args:
        spec: The declared venv.
        packages: The selected packages.

    Yields:
        The messages.

    """
    wheels = {package.name: package.wheel for package in packages}
    for name, key in package_names(spec):
        if wheels.get(name):
            yield (
                f"`{name}` is installed from a wheel, so `{key}` has no effect on it; to build it, "
                f"add `--no-binary {name}` to a requirement file"
            )
        similar = get_close_matches(name, wheels, n=1, cutoff=_SIMILAR)
        if name not in wheels and similar:
            yield f"`{key}` names `{name}`, which isn't installed; did you mean `{similar[0]}`?"
