"""Tests that a file system supports what converge relies on."""
