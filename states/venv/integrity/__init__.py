"""Whether a generation is what it was: manifest, receipt, RECORD files, drift."""
