"""Small publishers, one that can be trusted and many that cannot."""
