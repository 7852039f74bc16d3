"""The wrappers on the real tools."""
