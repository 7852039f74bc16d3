"""The state of one run that all venvs share, and their requirements on the distribution."""
