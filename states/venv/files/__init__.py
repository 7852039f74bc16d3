"""Files of the user's own in each generation: the key `files`."""
