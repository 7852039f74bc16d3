"""What people use today, doing the same jobs."""
