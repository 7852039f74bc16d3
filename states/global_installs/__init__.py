"""Packages that are installed outside of venvs: find them, explain them, and move them away."""
