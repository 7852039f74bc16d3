"""Keep directories in the store across generations, and link them into each generation."""
