"""Lockfiles of projects, which uv converts."""
