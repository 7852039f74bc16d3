"""Where wheels come from: downloads."""
