"""Kills, full disks, failing disks, power cuts and rivals: what survives them, counted.

``pytest tests/crash`` runs a sample; ``python -m tests.crash`` runs every point there is.
"""
