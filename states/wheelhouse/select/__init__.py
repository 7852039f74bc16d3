"""Which files the venvs of a wheelhouse consist of."""
