"""The kind `venv`: build a virtual environment in a new directory, and publish it atomically."""
