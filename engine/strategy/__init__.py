"""Strategies of the loop: the actions for a resource that differs."""
