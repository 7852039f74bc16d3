"""The subcommands that look at the whole host, and not at a declaration."""
