"""Projects as the input of a venv: `pyproject.toml` and `uv.lock`."""
