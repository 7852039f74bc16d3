"""The command line: arguments, commands, and one run from files to report."""
