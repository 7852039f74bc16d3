"""pyinfra operation ``converge.applied`` and fact ``Plan`` for the converge command."""

from pyinfra_converge import converge
from pyinfra_converge.facts import Plan

__all__ = ["Plan", "converge"]
__version__ = "@VERSION@"
