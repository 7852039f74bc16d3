"""Unit tests, which run in this process and need no network."""
