"""Property-based tests: generated inputs and the properties that every result must have."""
