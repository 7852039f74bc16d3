"""Check the host before a venv is changed. A plan reports the same error as an apply."""
