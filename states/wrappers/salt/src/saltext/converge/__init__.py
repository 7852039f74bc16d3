"""Salt's door to the converge command."""

__version__ = "@VERSION@"
