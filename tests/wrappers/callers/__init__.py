"""Each tool as a caller of the command: cases in, what it told its user out."""
