"""Decide which files of a local project are its source, and whether they have changed."""
