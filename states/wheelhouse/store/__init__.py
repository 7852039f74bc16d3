"""The store of a wheelhouse: its wheels, and the host that publishes."""
