"""From TOML or JSON text to sorted resources, or one error that lists every problem."""
