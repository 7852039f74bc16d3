"""The check of a new generation against the RECORD files of its wheels."""
