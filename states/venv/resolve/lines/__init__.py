"""Lines of requirement files: their grammar, and the effect of their options."""
