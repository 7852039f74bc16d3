"""Virtual environments that are what their declaration says."""

from os import PathLike

from pyinfra import host, logger, state
from pyinfra.api import FactProcessError, FunctionCommand, HiddenValue, OperationError, StringCommand, operation
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra_converge.facts import REMEDY, Input, Plan, command, understood


DIGESTS = ("artifacts", "settings")


def _list(value):
    """One string or path, or several of them, as a list of strings."""
    return [str(one) for one in ([value] if isinstance(value, (str, PathLike)) else value or [])]


def _tell(target, document):
    """One line for each thing that changes and one for each that is wrong, under the host's name."""
    for note in document.get("notes") or ():
        logger.warning("{}{}".format(target.print_prefix, note))
    for problem in document.get("problems") or ():
        # What was declared in the deploy has no lines.
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
    if not document.get("error"):  # whose message the comment is
        logger.info("{}{}".format(host.print_prefix, document["comment"]))
    return not document["failed"] and document["exit"]["code"] in (0, 2)


@operation()
def applied(
    files=None, declaration=None, only=None, upgrade=None, prune=False, lock_timeout=60, jobs=None,
    secrets=None, executable="converge"
):  # fmt: skip
    """
    Make the host's virtual environments be what the declaration says.

    + files: declarations on the host, or folders of them; one or a list
    + declaration: the declaration itself, in the shape of the TOML file, instead of files
    + only: addresses to which the run is limited; one or a list
    + upgrade: packages to resolve afresh, one or a list; ``True`` for all
    + prune: remove what an earlier declaration in the same files asked for and this one does not name;
      refused together with ``declaration`` or ``only``
    + lock_timeout: seconds to wait for another run
    + jobs: how many environments are worked on at the same time
    + secrets: environment variables for the engine, each a ``HiddenValue``
    + executable: the engine, by name or path

    It says in ``--dry`` what the real run will do, and does nothing when there is nothing to do.
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
