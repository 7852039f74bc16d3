"""The commands that write a declaration."""
