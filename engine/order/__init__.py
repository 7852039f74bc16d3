"""The order in which resources start, and their parallel processing."""
