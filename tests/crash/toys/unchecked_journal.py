"""Bug: fails if a killed run left a truncated journal."""

import json
from pathlib import Path

from . import payload
from .publisher import Publisher


class UncheckedJournal(Publisher):
    def build(self, generation: Path) -> None:
        journal = self.store / "journal"
        if journal.exists():
            json.loads(journal.read_text())
        payload.write(str(journal), json.dumps({"building": str(generation)}).encode())
        super().build(generation)
        journal.unlink()


if __name__ == "__main__":
    UncheckedJournal.main()
