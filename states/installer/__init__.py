"""uv: resolves, downloads, builds, and unpacks. Its quirks stay in this package."""
