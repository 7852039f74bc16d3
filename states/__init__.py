"""The kinds: Python virtual environments, and what is declared around them."""
