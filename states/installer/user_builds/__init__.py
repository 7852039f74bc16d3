"""Builds of local projects that another user can change, as that user."""
