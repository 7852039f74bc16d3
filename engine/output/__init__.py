"""Reports, errors, and graphs: as text for people, and as JSON for tools."""
