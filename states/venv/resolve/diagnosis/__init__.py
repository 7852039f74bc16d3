"""Explain a failed resolution in terms of what the declaration and its files require."""
