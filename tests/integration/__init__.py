"""The command against real installers, real file systems and a real index, all of it here."""
