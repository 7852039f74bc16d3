"""From the spec of a venv to exact packages."""
