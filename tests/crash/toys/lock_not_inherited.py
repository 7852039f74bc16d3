"""Bug: its children don't inherit the lock, so they outlive it when the parent is killed."""

from .publisher import Publisher


class LockNotInherited(Publisher):
    def lock(self, *, inheritable: bool = False) -> None:
        super().lock(inheritable=inheritable)


if __name__ == "__main__":
    LockNotInherited.main()
