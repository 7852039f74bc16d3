"""Shared test tools: the command, wheels, source projects, and a package index."""
