"""Benchmarks of converge and other tools, on the same input and in one run."""
