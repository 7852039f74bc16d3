"""The kind `venv`: a virtual environment, built aside and switched by one rename."""
