"""Each tool as a caller of the command: it takes cases, and returns what the tool reported."""
