"""Bug: never deletes the unfinished generations of killed runs."""

from .publisher import Publisher


class NoCleanup(Publisher):
    def clean_up(self) -> None:
        pass


if __name__ == "__main__":
    NoCleanup.main()
