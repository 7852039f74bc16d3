"""Preview the adoption of a directory that another tool created."""
