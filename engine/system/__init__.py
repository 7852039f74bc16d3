"""Files, locks, permissions, and signals. Only `linux` and `processes` depend on the platform."""
