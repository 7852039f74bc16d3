"""Set local facts of Ansible, then record that a virtual environment changed.

Arguments: the record to create, the file of facts, and a file with a JSON array of objects with the
keys `section`, `option`, and `value`. Each file is replaced in one rename.
"""

import configparser
import json
import os
import sys


def replace(path, write):
    """Write a file through a temporary one in the same directory."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    temporary = path + ".new"
    with open(temporary, "w", encoding="utf-8") as stream:
        write(stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)


def main():
    record, facts, source = sys.argv[1:]
    with open(source, encoding="utf-8") as stream:
        settings = json.load(stream)
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # Names of options keep their case.
    parser.read(facts, encoding="utf-8")
    for setting in settings:
        section = str(setting["section"])
        if not parser.has_section(section):
            parser.add_section(section)
        parser.set(section, str(setting["option"]), str(setting["value"]))
    if settings:
        replace(facts, parser.write)
    replace(record, lambda stream: stream.write("The handlers of Ansible haven't run since.\n"))


if __name__ == "__main__":
    main()
