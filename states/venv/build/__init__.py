"""Build a generation in a new directory, and verify it."""
