"""Compile every source of a generation once, and cache the result."""
