"""What holds for whatever is put in."""
