"""Fault injection: kills, I/O errors, full disks, power cuts, and concurrent runs.

`pytest tests/crash` runs a sample of the points. `python -m tests.crash` runs every point.
"""
