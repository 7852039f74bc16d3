"""Virtual environments that are what their declaration says."""

from pyinfra import host, logger, state
from pyinfra.api import FactProcessError, FunctionCommand, HiddenValue, OperationError, StringCommand, operation
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra_converge.facts import REMEDY, Input, Plan, command, understood


def _tell(target, document):
    """One line for each thing that changes and one for each that is wrong, under the host's name."""
    for problem in document.get("problems") or ():
        logger.error("{}{file}:{line}: {message}".format(target.print_prefix, **problem))
    for where in [document, *document["resources"]]:
        start = target.print_prefix + (where["address"] + ": " if "address" in where else "")
        for change in where.get("changes", ()):
            what = change["attribute"].removeprefix("package.")
            old, new = change["before"] or "absent", change["after"] or "absent"
            logger.info("{}{} {} -> {}".format(start, what, old, new))
        error = where.get("error")
        if error:
            words = (error["message"], error.get("output"), error.get("hint"))
            logger.error("{}{}".format(start, "\n".join(word for word in words if word)))


# pyinfra passes these two by their names and takes the returned bool for the outcome.
def _apply(state, host, line, stdin, connection):
    """Run the engine; its answer decides, and is told in the tool's own words."""
    _, output = host.run_shell_command(StringCommand(line), _stdin=stdin, **connection)
    try:
        document = understood(output.stdout_lines)
    except FactProcessError as error:
        logger.error("{}{} {}".format(host.print_prefix, error, output.stderr))
        return False
    _tell(host, document)
    logger.info("{}{}".format(host.print_prefix, document["comment"]))
    return not document["failed"] and document["exit"]["code"] in (0, 2)


@operation()
def applied(
    files=None, declaration=None, only=None, upgrade=None, prune=False, lock_timeout=60, secrets=None, executable="converge"
):  # fmt: skip
    """
    Make the host's virtual environments be what the declaration says.

    + files: declarations on the host, or folders of them; one or a list
    + declaration: the declaration itself, in the shape of the TOML file, instead of files
    + only: addresses to which the run is limited
    + upgrade: packages to resolve afresh; ``True`` for all
    + prune: remove what an earlier declaration asked for and this one does not name
    + lock_timeout: seconds to wait for another run
    + secrets: environment variables for the engine, each a ``HiddenValue``
    + executable: the engine, by name or path

    It says in ``--dry`` what the real run will do, and does nothing when there is nothing to do.
    """
    files, secrets = [files] if isinstance(files, str) else list(files or []), secrets or {}
    if bool(files) == bool(declaration):
        raise OperationError("Give either files or a declaration")
    if not all(isinstance(value, HiddenValue) for value in secrets.values()):
        raise OperationError("Each secret must be a HiddenValue, or pyinfra prints it")
    options = ["--prune"] if prune else []
    options += ["--upgrade" + ("" if upgrade is True else "=" + ",".join(upgrade))] if upgrade else []
    options += ["--only=" + address for address in only or []]
    stdin = Input(secrets, declaration)
    plan = host.get_fact(Plan, files, sorted(secrets), options, executable, _stdin=stdin)
    if plan is None and state.is_executing:
        logger.error("{}{} is not on this host. {}".format(host.print_prefix, executable, REMEDY))
    elif plan and not plan["changed"] and not plan["failed"]:
        host.noop(plan["comment"])
        return
    elif plan and not state.is_executing:
        _tell(host, plan)
    line = command("apply", files, secrets, [*options, "--lock-timeout", str(lock_timeout)], executable)
    arguments = host.current_op_global_arguments or {}
    connection = {key: arguments[key] for key in CONNECTOR_ARGUMENT_KEYS if key in arguments and key != "_stdin"}
    yield FunctionCommand(_apply, (line, stdin, connection), {})
