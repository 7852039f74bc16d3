"""The kinds of resources: virtual environments, interpreters, and symlinks."""
