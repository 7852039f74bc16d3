"""pyinfra's door to the converge command: the operation ``converge.applied`` and the fact ``Plan``."""

from pyinfra_converge import converge
from pyinfra_converge.facts import Plan

__all__ = ["Plan", "converge"]
__version__ = "@VERSION@"
