"""The generations of a venv: publish, keep, hold, verify, delete."""
