"""A publisher that keeps its promises; the last two arguments are STORE and VERSION."""

import sys
from pathlib import Path

from . import steps

store, version = Path(sys.argv[-2]), sys.argv[-1]
steps.lock(store)
if steps.state(store / "current") == version:
    leftovers = len(list((store / "generations").iterdir())) > 1
    if leftovers or (store / "current.new").is_symlink():
        steps.tidy(store)
    steps.done(changed=False)
steps.tidy(store)
generation = steps.unused(store)
steps.build(generation, version)
steps.syncfs(generation)
steps.seal(generation, version)
steps.fsync(generation.parent)
steps.publish(store, generation)
steps.tidy(store)
steps.done(changed=True)
