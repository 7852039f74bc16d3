"""Import `docs/generate.py` by path, because the name `docs` could resolve to this directory."""

from __future__ import annotations

import importlib.util

from tests.docs.pages import DOCS

_spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
assert _spec is not None
assert _spec.loader is not None
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)

pages = _module.pages
every_command = _module.every_command
parser_of = _module.parser_of
