"""The kind `interpreter`, and the search for Python interpreters."""
