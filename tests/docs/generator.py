"""Import the generators in `docs` by path, because the name `docs` could resolve to this directory."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from tests.docs.pages import DOCS


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_generate = _load("generate")
pages = _generate.pages
every_command = _generate.every_command
parser_of = _generate.parser_of
# The other generators import this one by its name.
sys.modules["docs.generate"] = _generate
completions = _load("completions").completions
_man = _load("man")
manual_pages = _man.manual_pages
paragraph = _man.paragraph
