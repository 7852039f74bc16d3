"""Subprocesses, scratch directories, cache expiry, and timestamps for the kinds."""
