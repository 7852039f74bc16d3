"""Salt extension for the converge command."""

__version__ = "@VERSION@"
