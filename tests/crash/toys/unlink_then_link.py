"""Bug: unlinks `current` before it creates the new link."""

from pathlib import Path

from .publisher import Publisher, fsync


class UnlinkThenLink(Publisher):
    def publish(self, generation: Path) -> None:
        self.current.unlink(missing_ok=True)
        self.current.symlink_to(generation.relative_to(self.store))
        fsync(self.store)


if __name__ == "__main__":
    UnlinkThenLink.main()
