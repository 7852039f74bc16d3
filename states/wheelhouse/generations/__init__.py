"""Generations of a wheelhouse: the index, the receipt, and garbage collection."""
