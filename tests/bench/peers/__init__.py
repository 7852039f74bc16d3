"""Other tools that do the same jobs."""
