"""The reports of commands as text, in color on a terminal."""
