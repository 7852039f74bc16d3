"""pyinfra operation that applies a converge declaration."""

from os import PathLike

from pyinfra import host, logger, state
from pyinfra.api import FactProcessError, FunctionCommand, HiddenValue, OperationError, StringCommand, operation
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra_converge.facts import REMEDY, Input, Plan, command, understood


DIGESTS = ("artifacts", "settings")


def _list(value):
    """Return one string or path, or several of them, as a list of strings."""
    return [str(one) for one in ([value] if isinstance(value, (str, PathLike)) else value or [])]


def _tell(target, document):
    """Log one line for each change, notice, and error, with the name of the host."""
    for note in document.get("notes") or ():
        logger.warning("{}{}".format(target.print_prefix, note))
    for problem in document.get("problems") or ():
        # Errors in an inline declaration have no line numbers.
        words = ("{file}:{line}: {message}" if problem["line"] else "{file}: {message}").format(**problem)
        logger.error("{}{}".format(target.print_prefix, "; ".join(filter(None, (words, problem.get("hint"))))))
    for where in [document, *document["resources"]]:
        start = target.print_prefix + (where["address"] + ": " if "address" in where else "")
        for change in [one for one in where.get("changes", ()) if one["attribute"] not in DIGESTS]:
            what = change["attribute"].removeprefix("package.")
            old, new = change["before"] or "absent", change["after"] or "absent"
            logger.info("{}{} {} -> {}".format(start, what, old, new))
        error = where.get("error")
        if error:
            words = (error["message"], error.get("output"), error.get("hint"))
            logger.error("{}{}".format(start, "\n".join(word for word in words if word)))


# pyinfra passes `state` and `host` by name. It uses the returned bool as the outcome.
def _apply(state, host, line, stdin, connection):
    """Run converge, log its report, and return whether it succeeded."""
    _, output = host.run_shell_command(StringCommand(line), _stdin=stdin, **connection)
    try:
        document = understood(output.stdout_lines)
    except FactProcessError as error:
        logger.error("{}{} {}".format(host.print_prefix, error, output.stderr))
        return False
    _tell(host, document)
    if not document.get("error"):  # the comment repeats the message of the error
        logger.info("{}{}".format(host.print_prefix, document["comment"]))
    return not document["failed"] and document["exit"]["code"] in (0, 2)


@operation()
def applied(
    files=None, declaration=None, only=None, upgrade=None, prune=False, lock_timeout=60, jobs=None,
    secrets=None, executable="converge"
):  # fmt: skip
    """
    Bring the host's virtual environments to the declared state.

    + files: declaration files on the host, or directories of them (one path or a list)
    + declaration: inline declaration, with the same structure as the TOML file (instead of ``files``)
    + only: addresses of the resources to limit the run to (one or a list)
    + upgrade: packages to upgrade (one, a list, or ``True`` for all)
    + prune: delete resources that were removed from the files since an earlier run
      (can't be combined with ``declaration`` or ``only``)
    + lock_timeout: seconds to wait for another run that has locked a virtual environment
    + jobs: maximum number of resources to process in parallel (default: number of CPUs)
    + secrets: environment variables for converge, each a ``HiddenValue`` of one line
    + executable: name or path of the converge command

    With ``--dry``, the operation prints the changes that a real run would make. If nothing would
    change, it runs no command.
    """
    files, secrets = _list(files), secrets or {}
    if bool(files) == (declaration is not None):
        raise OperationError("Give either files or a declaration")
    if not all(isinstance(value, HiddenValue) for value in secrets.values()):
        raise OperationError("Each secret must be a HiddenValue, or pyinfra prints it")
    options = ["--prune"] if prune else []
    options += ["--upgrade" + ("" if upgrade is True else "=" + ",".join(_list(upgrade)))] if upgrade else []
    options += ["--only=" + address for address in _list(only)] + (["--jobs", str(jobs)] if jobs else [])
    stdin = Input(secrets, declaration)
    plan = host.get_fact(Plan, files, sorted(secrets), options, executable, _stdin=stdin)
    if plan is None and state.is_executing:
        logger.error("{}{} is not on this host. {}".format(host.print_prefix, executable, REMEDY))
    settled = plan and not plan["changed"] and not plan["failed"]
    if plan and (settled or not state.is_executing):
        _tell(host, plan)
    if settled:
        host.noop(plan["comment"])
        return
    line = command("apply", files, secrets, [*options, "--lock-timeout", str(lock_timeout)], executable)
    arguments = host.current_op_global_arguments or {}
    connection = {key: arguments[key] for key in CONNECTOR_ARGUMENT_KEYS if key in arguments and key != "_stdin"}
    yield FunctionCommand(_apply, (line, stdin, connection), {})
