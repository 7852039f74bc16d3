"""
Ask the converge command what it would do, or have it done.

.. code-block:: bash

    salt '*' converge.plan /etc/converge/keystone.toml
    salt '*' converge.apply /etc/converge only=venv.keystone
    salt '*' converge.check /etc/converge

Each function returns the command's own JSON document. The command is a program of its own with its
own interpreter: nothing is imported from it, and nothing of Salt's environment leaks into it.
"""

import json

from salt.exceptions import CommandExecutionError

__virtualname__ = "converge"
__func_alias__ = {"apply_": "apply"}

REMEDY = "Install venv-converge on the minion, or name the command by `executable`."


def __virtual__():
    return __virtualname__


def _list(value):
    return value.split(",") if isinstance(value, str) else list(value or [])


def _pillar(key):
    try:
        return __salt__["pillar.get"](key, unmask=True)
    except TypeError:  # Salt before 3008, which masks nothing
        return __salt__["pillar.get"](key)


def _environment(secrets):
    """Values for the engine's environment, looked up so late that no state file or job shows them."""
    found = {}
    if not isinstance(secrets or {}, dict):
        raise CommandExecutionError("`secrets` must be names with a pillar key or an sdb:// URI each")
    for name, where in (secrets or {}).items():
        where = str(where)
        found[name] = __salt__["sdb.get"](where) if where.startswith("sdb://") else _pillar(where)
        if not isinstance(found[name], str) or found[name] in ("", where):
            raise CommandExecutionError("The secret {} is not to be found at {}".format(name, where))
    return found


def _must_be_there(executable):
    if not __salt__["cmd.which"](executable):
        raise CommandExecutionError("{} is not on this minion. {}".format(executable, REMEDY))


def _run(
    verb, files=None, declaration=None, only=None, upgrade=None, prune=False, lock_timeout=60, jobs=None,
    secrets=None, user=None, cwd=None, executable="converge",
):  # fmt: skip
    if bool(files) == (declaration is not None):
        raise CommandExecutionError("Give either files or a declaration")
    _must_be_there(executable)
    argv = [executable, verb, *(_list(files) or ["-"]), "--json", "--quiet"]
    argv += ["--only=" + address for address in _list(only)]
    argv += ["--lock-timeout", str(lock_timeout)] if verb == "apply" else []
    if verb != "check":
        argv += ["--jobs", str(jobs)] if jobs else []
        argv += ["--prune"] if prune else []
        if upgrade:
            argv.append("--upgrade" if upgrade is True else "--upgrade=" + ",".join(_list(upgrade)))
    run = __salt__["cmd.run_all"](
        argv, python_shell=False, stdin=None if files else json.dumps(declaration),
        env=_environment(secrets), runas=user, cwd=cwd, output_loglevel="quiet", ignore_retcode=True,
    )  # fmt: skip
    try:
        answer = json.loads(run["stdout"])
        major = int(answer["format_version"].split(".")[0])
    except (ValueError, KeyError, TypeError, AttributeError):
        said = (run["stderr"] or run["stdout"]).strip()
        raise CommandExecutionError("{} gave no answer: {}. {}".format(executable, said, REMEDY)) from None
    if major != 1:
        text = "{} answers in format {}; this module reads 1.x. {}"
        remedy = "Update this module." if major > 1 else REMEDY
        raise CommandExecutionError(text.format(executable, answer["format_version"], remedy))
    return answer


def plan(files=None, **options):
    """
    What :py:func:`apply <salt.modules.converge.apply>` would do. Nothing is written.

    files
        Declarations, or folders of them, on the minion; one, a list, or comma-separated.

    declaration
        The declaration itself, in the shape of the TOML file, instead of files.

    only
        Addresses to which the run is limited.

    upgrade
        Packages to resolve afresh; ``True`` for all.

    prune
        Remove what an earlier declaration in the same files asked for and this one does not name.
        Refused together with ``declaration`` or ``only``.

    lock_timeout
        Seconds to wait for another run.

    jobs
        How many environments are worked on at the same time.

    secrets
        Environment variables for the command: each name with the ``sdb://`` URI or the pillar key
        that holds its value. A declaration names one as ``index-url = "env:NAME"``.

    user, cwd, executable
        Who runs the command, where, and by which name or path.
    """
    return _run("plan", files, **_public(options))


def apply_(files=None, **options):
    """
    Make the minion's virtual environments be what the declaration says.
    The options are those of :py:func:`plan <salt.modules.converge.plan>`. Salt's return code tells of a failure.
    """
    answer = _run("apply", files, **_public(options))
    if answer["failed"]:
        __context__["retcode"] = answer["exit"]["code"] or 1
    return answer


def check(files=None, **options):
    """
    Whether everything is as declared: the command's document, ``exit.code`` 0, 2 for drift, 1 for an error.
    The options are those of :py:func:`plan <salt.modules.converge.plan>`, of which ``upgrade``, ``prune``,
    ``lock_timeout`` and ``jobs`` make no difference here.
    """
    return _run("check", files, **_public(options))


def version(executable="converge"):
    """The engine's version, as a string."""
    _must_be_there(executable)
    run = __salt__["cmd.run_all"]([executable, "version", "--json"], python_shell=False, ignore_retcode=True)
    try:
        return json.loads(run["stdout"])["version"]
    except (ValueError, KeyError, TypeError):
        raise CommandExecutionError("{} gave no answer. {}".format(executable, REMEDY)) from None


def _public(options):
    """Without what Salt's publisher adds to every call."""
    return {name: value for name, value in options.items() if not name.startswith("__pub_")}
