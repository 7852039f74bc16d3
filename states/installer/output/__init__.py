"""The output of uv, apart from errors."""
