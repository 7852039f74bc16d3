"""The packages of the distribution: which are installed, and how to install others."""
