"""Write a lock of exactly the installed versions. The index provides the hashes.

A disk doesn't have the hashes of the wheels that were installed from it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from engine import progress
from engine.errors import ConvergeError, Interrupted, PermissionDenied, Unavailable
from engine.frozen import replace
from states.installer.credentials import strip_signatures
from states.interpreter import discovery
from states.interpreter.launcher import user_of_interpreter
from states.system.scratch import scratch_dir
from states.venv.resolve.lockfile import restrict_to, target_of
from states.venv.resolve.pylock import parse_lock, select_artifacts
from states.venv.resolve.resolver import Resolver, markers
from states.venv.sources.tree import tree_digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.settings import Settings
    from states.interpreter.discovery import Python
    from states.venv.adoption.existing import ExistingVenv
    from states.venv.resolve.pylock import Lock
    from states.venv.spec import Venv

_MAX_MISSING = 10
"""Packages that a message names. Each takes several resolutions to find."""


def lock_exactly(spec: Venv, venv: ExistingVenv, directory: str, settings: Settings) -> str:
    """Return the text of a lockfile with exactly the installed packages, and with hashes.

    Args:
        spec: The declared venv, normalized. Only its interpreter and its indexes count.
        venv: The existing venv.
        directory: The directory of the lockfile.
        settings: The settings of the run.

    Returns:
        The text.

    Raises:
        ConvergeError: An index doesn't have a package, or the interpreter isn't usable.
        Unavailable: An index can't be reached.

    """
    pins = [package.pin() for package in venv.declarable()]
    if not venv.is_trusted and any(package.url for package in venv.packages):
        # A resolution builds such a package. The user who can change the venv chose the URL.
        raise PermissionDenied(
            f"another user can change `{venv.path}`, and its packages come from URLs",
            hint="review the URLs, then run `converge lock`",
        )
    python = _find_trusted(spec.python)
    exact = replace(
        spec, requirements=(), constraints=(), overrides=(), lock="", no_deps=True, adopt=False
    )
    resolution = _Resolution(exact, python, settings)
    try:
        lock = resolution.resolve(pins)
    except (Interrupted, Unavailable, PermissionDenied):
        raise
    except ConvergeError as error:
        progress.step("searching for packages that the index lacks")
        missing = resolution.find_missing(pins)
        if not missing:
            raise
        named = ", ".join(f"`{pin}`" for pin in missing[:_MAX_MISSING])
        more = ", and possibly others" if len(missing) >= _MAX_MISSING else ""
        raise ConvergeError(
            f"the index doesn't have {named}{more}",
            hint="provide its wheel through `find-links`, or declare another version",
            output=error.output,
        ) from error
    # A lockfile that `apply` would reject must not be written.
    select_artifacts(lock, python, directory, tree_digest)
    return strip_signatures(lock.text)


def _find_trusted(request: str) -> Python:
    """Find the interpreter of a venv. One that another user can change isn't started.

    Raises:
        PermissionDenied: Another user can change it.
        ConvergeError: It doesn't exist.

    """
    if os.path.isabs(request):
        user = user_of_interpreter(request)
        if user is not None:
            raise PermissionDenied(
                f"the interpreter `{request}` belongs to {user.name}, and wasn't started",
                hint="if you trust it, run `converge lock`, which runs it as that user",
            )
    return discovery.find(request)


class _Resolution:
    """Resolves exact requirements without their dependencies."""

    def __init__(self, spec: Venv, python: Python, settings: Settings) -> None:
        self._spec = spec
        self._python = python
        self._settings = settings
        self._target = target_of(markers(python), ())

    def resolve(self, pins: Sequence[str]) -> Lock:
        """Return the lock of some requirements. Raises `ConvergeError` if one isn't available."""
        spec = replace(self._spec, packages=tuple(pins))
        with scratch_dir(self._settings.cache) as scratch:
            resolver = Resolver(spec, self._python, self._settings, scratch, self._target)
            lock = parse_lock(resolver.installer.resolve(resolver.request(None)))
        return restrict_to(lock, self._target)

    def find_missing(self, pins: Sequence[str]) -> list[str]:
        """Return up to `_MAX_MISSING` requirements that can't be resolved even alone.

        They don't depend on each other, so halves are resolved until each is found.
        """
        missing: list[str] = []
        pending = [list(pins)] if pins else []
        while pending and len(missing) < _MAX_MISSING:
            part = pending.pop()
            if self._is_available(part):
                continue
            if len(part) == 1:
                missing += part
            else:
                middle = len(part) // 2
                pending += [part[middle:], part[:middle]]
        return missing

    def _is_available(self, pins: Sequence[str]) -> bool:
        try:
            self.resolve(pins)
        except (Interrupted, Unavailable):
            raise
        except ConvergeError:
            return False
        return True
