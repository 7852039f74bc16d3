"""The engine meets only a toy kind here."""
