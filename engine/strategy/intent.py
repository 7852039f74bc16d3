"""A record that is written before the first change."""

from __future__ import annotations


class Intent:
    """A record of what a run is about to change. This one records nothing."""

    def check(self) -> None:
        """Check that the record can be written. Must not write.

        Raises:
            ConvergeError: It can't be.

        """

    def record(self) -> None:
        """Write the record, before each change, with nothing changed yet.

        Raises:
            ConvergeError: It can't be written, so nothing may be changed.

        """
