"""Units, crontabs, and scripts that start programs of packages, or import packages."""
