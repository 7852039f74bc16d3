"""Broken: cannot start when the note of what it was doing is torn."""

import json
import sys
from pathlib import Path

from . import files, steps

store, version = Path(sys.argv[-2]), sys.argv[-1]
steps.lock(store)
journal = store / "journal"
if journal.exists():
    json.loads(journal.read_text())
if steps.state(store / "current") == version:
    leftovers = len(list((store / "generations").iterdir())) > 1
    if leftovers or (store / "current.new").is_symlink():
        steps.tidy(store)
    steps.done(changed=False)
steps.tidy(store)
generation = steps.unused(store)
files.write(str(journal), json.dumps({"building": str(generation)}).encode())
steps.build(generation, version)
steps.syncfs(generation)
steps.seal(generation, version)
steps.fsync(generation.parent)
steps.publish(store, generation)
steps.tidy(store)
journal.unlink()
steps.done(changed=True)
