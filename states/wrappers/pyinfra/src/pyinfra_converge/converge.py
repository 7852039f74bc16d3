"""pyinfra operation that applies a converge declaration."""

from os import PathLike

from pyinfra import host, logger, state
from pyinfra.api import FactProcessError, FunctionCommand, HiddenValue, OperationError, StringCommand, operation
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra_converge.facts import HINT, Input, Plan, command, parse_report


DIGESTS = ("artifacts", "settings")


def _list(value):
    """Return one string or path, or several of them, as a list of strings."""
    return [str(item) for item in ([value] if isinstance(value, (str, PathLike)) else value or [])]


def _log(target, report):
    """Log one line for each change, notice, and error, with the name of the host."""
    for notice in report.get("notices") or ():
        logger.warning("{}{}".format(target.print_prefix, notice))
    for problem in report.get("problems") or ():
        # Errors in an inline declaration have no line numbers.
        message = ("{file}:{line}: {message}" if problem["line"] else "{file}: {message}").format(**problem)
        logger.error("{}{}".format(target.print_prefix, "; ".join(filter(None, (message, problem.get("hint"))))))
    for source in [report, *report["resources"]]:
        start = target.print_prefix + (source["address"] + ": " if "address" in source else "")
        for change in [change for change in source.get("changes", ()) if change["attribute"] not in DIGESTS]:
            attribute = change["attribute"].removeprefix("package.")
            old, new = change["before"] or "absent", change["after"] or "absent"
            logger.info("{}{} {} -> {}".format(start, attribute, old, new))
        error = source.get("error")
        if error:
            parts = (error["message"], error.get("output"), error.get("hint"))
            logger.error("{}{}".format(start, "\n".join(part for part in parts if part)))


# pyinfra passes `state` and `host` by name. It uses the returned bool as the outcome.
def _apply(state, host, line, stdin, connection):
    """
    Run converge, log its report, and return whether it succeeded.

    Args:
        state: The state of pyinfra, unused.
        host: The host to run on.
        line: The shell command.
        stdin: The `Input` for converge.
        connection: Arguments of the connection, for example the user.

    Returns:
        True if converge succeeded.
    """
    _, output = host.run_shell_command(StringCommand(line), _stdin=stdin, **connection)
    try:
        report = parse_report(output.stdout_lines)
    except FactProcessError as error:
        logger.error("{}{} {}".format(host.print_prefix, error, output.stderr))
        return False
    _log(host, report)
    if not report.get("error"):  # the comment repeats the message of the error
        logger.info("{}{}".format(host.print_prefix, report["comment"]))
    return not report["failed"] and report["exit"]["code"] in (0, 2)


@operation()
def applied(
    files=None, declaration=None, only=None, upgrade=None, prune=False, lock_timeout=60, jobs=None,
    secrets=None, executable="converge"
):  # fmt: skip
    """
    Bring the host's virtual environments to the declared state.

    With ``--dry``, the operation prints the changes that a real run would make. If nothing would
    change, it runs no command.

    Args:
        files: Declaration files on the host, or directories of them (one path or a list).
        declaration: Inline declaration, with the same structure as the TOML file. Use it instead of ``files``.
        only: Addresses of the resources to limit the run to (one or a list).
        upgrade: Packages to upgrade (one, a list, or ``True`` for all).
        prune: Delete resources that were removed from the files since an earlier run.
            Can't be combined with ``declaration`` or ``only``.
        lock_timeout: Seconds to wait for another run that has locked a virtual environment (default: 60).
        jobs: Maximum number of resources to process in parallel (default: number of CPUs).
        secrets: Environment variables for converge, each a ``HiddenValue`` of one line.
        executable: Name or path of the converge command.

    Raises:
        OperationError: The arguments are invalid.
    """
    files, secrets = _list(files), secrets or {}
    if bool(files) == (declaration is not None):
        raise OperationError("set either `files` or `declaration`")
    if not all(isinstance(value, HiddenValue) for value in secrets.values()):
        raise OperationError("each secret must be a `HiddenValue`, because pyinfra prints other values")
    options = ["--prune"] if prune else []
    if upgrade:
        options += ["--upgrade"] if upgrade is True else ["--upgrade-package=" + name for name in _list(upgrade)]
    options += ["--only=" + address for address in _list(only)] + (["--jobs", str(jobs)] if jobs else [])
    stdin = Input(secrets, declaration)
    plan = host.get_fact(Plan, files, sorted(secrets), options, executable, _stdin=stdin)
    if plan is None and state.is_executing:
        logger.error("{}`{}` isn't installed on this host. {}".format(host.print_prefix, executable, HINT))
    unchanged = plan and not plan["changed"] and not plan["failed"]
    if plan and (unchanged or not state.is_executing):
        _log(host, plan)
    if unchanged:
        host.noop(plan["comment"])
        return
    line = command("apply", files, secrets, [*options, "--lock-timeout", str(lock_timeout)], executable)
    arguments = host.current_op_global_arguments or {}
    connection = {key: arguments[key] for key in CONNECTOR_ARGUMENT_KEYS if key in arguments and key != "_stdin"}
    yield FunctionCommand(_apply, (line, stdin, connection), {})
