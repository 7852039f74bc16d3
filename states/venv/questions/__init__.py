"""Answers about generations that no plan needs: differences, and the reasons for packages."""
