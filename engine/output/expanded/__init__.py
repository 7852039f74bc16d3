"""Resources with every value of their tables, and the place that each comes from."""
