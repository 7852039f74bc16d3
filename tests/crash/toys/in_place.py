"""Broken: changes what is published where it stands."""

import sys
from pathlib import Path

from . import files, steps

store, version = Path(sys.argv[-2]), sys.argv[-1]
steps.lock(store)
if steps.state(store / "current") == version:
    leftovers = len(list((store / "generations").iterdir())) > 1
    if leftovers or (store / "current.new").is_symlink():
        steps.tidy(store)
    steps.done(changed=False)
generation = (store / "current").resolve()
if generation.parent != store / "generations":
    generation = steps.unused(store)
    generation.mkdir(parents=True)
for name in files.FILES:
    files.write(str(generation / name), files.content(version, name))
steps.syncfs(generation)
steps.seal(generation, version)
steps.fsync(generation.parent)
steps.publish(store, generation)
steps.tidy(store)
steps.done(changed=True)
