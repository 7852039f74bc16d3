"""Bug: treats any error of a read as an absence, so that it deletes the live generation."""

import os

from .publisher import Publisher


class SwallowsReadErrors(Publisher):
    def live_name(self) -> str:
        try:
            return os.path.basename(os.readlink(self.current))
        except OSError:
            return ""


if __name__ == "__main__":
    SwallowsReadErrors.main()
