"""Contract tests that every resource kind must pass."""
