"""Build local projects, and find out which of their files are source."""
