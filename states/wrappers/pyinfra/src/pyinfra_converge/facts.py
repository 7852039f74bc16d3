"""pyinfra fact that returns the plan of converge on a host."""

import json
import shlex

from pyinfra.api import FactBase, FactProcessError, OperationError

REMEDY = "Install venv-converge on the host, or name the command by `executable`."


class Input:
    """Standard input for converge. pyinfra can print it at any verbosity without showing secrets."""

    def __init__(self, secrets, declaration):
        values = [str(secrets[name].unmask()).rstrip("\n") for name in sorted(secrets)]
        # Each secret is one line. converge would read further lines as the declaration.
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
    """Return the shell command of one run. It reads secrets from the first lines of standard input."""
    reads = "".join("IFS= read -r {0}; export {0}; ".format(shlex.quote(name)) for name in sorted(secrets))
    argv = [executable, verb, *(files or ["-"]), "--json", "--quiet", *options]
    return reads + " ".join(shlex.quote(word) for word in argv)


def understood(output):
    """Return the JSON report in the output of converge."""
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
    Return the report of ``converge plan --json``, or ``None`` if converge isn't installed on the host yet.
    The plan changes nothing, and drift isn't a failure.
    """

    def command(self, files=(), secrets=(), options=(), executable="converge"):
        # A failed plan also prints a report. The operation shows it better than a failed fact would.
        run = command("plan", files, secrets, options, executable) + " || test $? -lt 126"
        # Don't use `requires_command`: it leaves standard input unread, and pyinfra then fails.
        found = "command -v {} >/dev/null 2>&1".format(shlex.quote(executable))
        return "if {}; then {}; else cat >/dev/null; fi".format(found, run)

    def process(self, output):
        return understood(output)
