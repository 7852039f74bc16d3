"""Bug: publishes a generation without syncing it to disk."""

from pathlib import Path

from .publisher import Publisher


class NoSync(Publisher):
    def sync(self, generation: Path) -> None:
        pass


if __name__ == "__main__":
    NoSync.main()
