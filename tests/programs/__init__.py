"""Real packages and programs from the package index."""
