"""What the engine asks of the operating system: files, locks, permissions, signals."""
