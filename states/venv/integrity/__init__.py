"""Check whether a generation is intact: manifest, receipt, RECORD files, drift."""
