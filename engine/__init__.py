"""The generic half of converge: declarations, graphs, diffs and the loop.

Nothing here knows what a resource is made of; `states` hands in the kinds.
"""

__version__ = "0.1.0"
FORMAT_VERSION = "1.2"
"""Version of the JSON documents: adding keys raises the minor, changing one the major."""
