"""Projects as the input of a venv: their extras and dependency groups."""
