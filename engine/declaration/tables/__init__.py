"""The tables of a declaration before validation: defaults, and keys that don't exist."""
