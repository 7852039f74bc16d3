"""Bug: overwrites the live generation instead of building a new one."""

from pathlib import Path

from .publisher import Publisher


class InPlace(Publisher):
    def choose_generation(self) -> Path:
        return self.current.resolve() if self.current.is_symlink() else super().choose_generation()


if __name__ == "__main__":
    InPlace.main()
