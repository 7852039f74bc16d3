"""Roll venvs back: decide what to publish in each, and publish it."""
