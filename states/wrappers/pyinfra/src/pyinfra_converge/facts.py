"""What the converge command would do on a host."""

import json
import shlex

from pyinfra.api import FactBase, FactProcessError, OperationError

REMEDY = "Install venv-converge on the host, or name the command by `executable`."


class Input:
    """Standard input which pyinfra may print at any verbosity without showing what is in it."""

    def __init__(self, secrets, declaration):
        values = [str(secrets[name].unmask()).rstrip("\n") for name in sorted(secrets)]
        # Each is a line of its own: the rest of a longer one would be read as the declaration.
        longer = [name for name, value in zip(sorted(secrets), values) if "\n" in value]
        if longer:
            raise OperationError("A secret must be one line, and is not: " + ", ".join(longer))
        self._lines = values + ([json.dumps(declaration)] if declaration is not None else [])

    def readlines(self):
        return list(self._lines)

    def __bool__(self):
        return bool(self._lines)

    def __iter__(self):
        return iter(self._lines)

    def __repr__(self):
        return "*MASKED*"


def command(verb, files=(), secrets=(), options=(), executable="converge"):
    """The shell line of one run. Secrets come as the first lines of standard input, never as arguments."""
    reads = "".join("IFS= read -r {0}; export {0}; ".format(shlex.quote(name)) for name in sorted(secrets))
    argv = [executable, verb, *(files or ["-"]), "--json", "--quiet", *options]
    return reads + " ".join(shlex.quote(word) for word in argv)


def understood(output):
    """The engine's document out of the lines it printed."""
    try:
        answer = json.loads("\n".join(output))
        major = int(answer["format_version"].split(".")[0])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FactProcessError("The engine gave no answer: {}. {}".format(" ".join(output), REMEDY)) from None
    if major != 1:
        remedy = "update pyinfra_converge" if major > 1 else REMEDY
        text = "The engine answers in format {}, this operation reads 1.x: {}"
        raise FactProcessError(text.format(answer["format_version"], remedy))
    return answer


class Plan(FactBase):
    """
    The engine's plan for a declaration: the document of ``converge plan --json``, or ``None`` when the
    engine is not on the host yet. Nothing is written, and drift is no failure.
    """

    def command(self, files=(), secrets=(), options=(), executable="converge"):
        # A plan that failed is a document too; the operation reports it better than a failed fact.
        run = command("plan", files, secrets, options, executable) + " || test $? -lt 126"
        # `requires_command` will not do: it leaves the input unread, and pyinfra fails where nobody reads it.
        found = "command -v {} >/dev/null 2>&1".format(shlex.quote(executable))
        return "if {}; then {}; else cat >/dev/null; fi".format(found, run)

    def process(self, output):
        return understood(output)
