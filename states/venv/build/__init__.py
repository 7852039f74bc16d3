"""Building a generation in a new directory."""
