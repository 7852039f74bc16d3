"""pyinfra fact that returns the plan of converge on a host."""

import json
import shlex

from pyinfra.api import FactBase, FactProcessError, OperationError

HINT = "Install venv-converge on the host, or set `executable`."


class Input:
    """Standard input for converge. pyinfra can print it at any verbosity without showing secrets."""

    def __init__(self, secrets, declaration):
        values = [str(secrets[name].unmask()).rstrip("\n") for name in sorted(secrets)]
        # Each secret is one line. converge would read further lines as the declaration.
        multiline = [name for name, value in zip(sorted(secrets), values) if "\n" in value]
        if multiline:
            raise OperationError("secret has more than one line: " + ", ".join(multiline))
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
    """
    Return the shell command of one run.

    Args:
        verb: The converge command.
        files: Declaration files. If empty, converge reads the declaration from standard input.
        secrets: Names of environment variables. The command reads their values from the first
            lines of standard input, in sorted order.
        options: Additional options.
        executable: Name or path of converge.

    Returns:
        A command line for a POSIX shell, without secret values.
    """
    reads = "".join("IFS= read -r {0}; export {0}; ".format(shlex.quote(name)) for name in sorted(secrets))
    argv = [executable, verb, *(files or ["-"]), "--json", "--quiet", *options]
    return reads + " ".join(shlex.quote(argument) for argument in argv)


def parse_report(output):
    """
    Return the JSON report in the output of converge.

    Raises:
        FactProcessError: The output isn't a report, or has an unsupported format.
    """
    try:
        report = json.loads("\n".join(output))
        major = int(report["format_version"].split(".")[0])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise FactProcessError("converge printed no valid report: {}. {}".format(" ".join(output), HINT)) from None
    if major != 1:
        hint = "Update pyinfra_converge." if major > 1 else "Update converge."
        message = "unsupported report format {}, expected 1.x. {}"
        raise FactProcessError(message.format(report["format_version"], hint))
    return report


class Plan(FactBase):
    """
    Return the report of ``converge plan --json``, or ``None`` if converge isn't installed on the host yet.
    The plan changes nothing, and drift isn't a failure.
    """

    def command(self, files=(), secrets=(), options=(), executable="converge"):
        # A failed plan also prints a report. The operation shows it better than a failed fact would.
        run = command("plan", files, secrets, options, executable) + " || test $? -lt 126"
        # Don't use `requires_command`: it leaves standard input unread, and pyinfra then fails.
        is_installed = "command -v {} >/dev/null 2>&1".format(shlex.quote(executable))
        return "if {}; then {}; else cat >/dev/null; fi".format(is_installed, run)

    def process(self, output):
        return parse_report(output)
