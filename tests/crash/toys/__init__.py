"""Small publishers: a correct one, and several that each have one bug."""
