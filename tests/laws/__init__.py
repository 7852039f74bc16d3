"""What holds for every kind, whatever it is a kind of."""
