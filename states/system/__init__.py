"""What the kinds ask of the operating system: subprocesses, scratch directories, caches."""
