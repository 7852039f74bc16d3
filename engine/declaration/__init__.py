"""From TOML or JSON text to sorted resources, or one error that lists every diagnostic.

`load` reads the files and returns the resources. On a cache hit (`cache`) nothing else runs.
Otherwise `build` parses (`parse`) and validates (`validate`) each table and records its inputs
(`inputs`), and `graph` sorts the resources.
"""
