"""The kind `wheelhouse`: the wheels of many venvs, as a static package index."""
