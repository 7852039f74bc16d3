"""Commands that answer questions about installed packages. They only read."""
