"""Files that mypy checks. Nothing runs them."""
