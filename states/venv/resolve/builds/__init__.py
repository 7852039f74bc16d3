"""How packages are built from source: settings, their validation, and their digests."""
