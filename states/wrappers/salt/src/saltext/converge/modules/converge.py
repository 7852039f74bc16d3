"""
Run the converge command on the minion.

.. code-block:: bash

    salt '*' converge.plan /etc/converge/keystone.toml
    salt '*' converge.apply /etc/converge only=venv.keystone
    salt '*' converge.check /etc/converge

Each function returns the JSON report of the command. converge is a separate program with its own
interpreter. This module doesn't import it, and converge doesn't use Salt's Python environment.
"""

import json

from salt.exceptions import CommandExecutionError

__virtualname__ = "converge"
__func_alias__ = {"apply_": "apply"}

HINT = "Install venv-converge on the minion, or set `executable`."


def __virtual__():
    return __virtualname__


def _list(value):
    return value.split(",") if isinstance(value, str) else list(value or [])


def _pillar(key):
    try:
        return __salt__["pillar.get"](key, unmask=True)
    except TypeError:  # Salt before 3008 has no `unmask` argument
        return __salt__["pillar.get"](key)


def _environment(secrets):
    """
    Return the environment variables for converge.

    Called just before the run, so that the values don't appear in a state file or job.

    Raises:
        CommandExecutionError: A secret has no value.
    """
    values = {}
    if not isinstance(secrets or {}, dict):
        raise CommandExecutionError("`secrets` must map each name to a pillar key or an sdb:// URI")
    for name, source in (secrets or {}).items():
        source = str(source)
        values[name] = __salt__["sdb.get"](source) if source.startswith("sdb://") else _pillar(source)
        if not isinstance(values[name], str) or values[name] in ("", source):
            raise CommandExecutionError("secret {} not found at {}".format(name, source))
    return values


def _require_installed(executable):
    if not __salt__["cmd.which"](executable):
        raise CommandExecutionError("`{}` isn't installed on this minion. {}".format(executable, HINT))


def _run(
    verb, files=None, declaration=None, only=None, upgrade=None, prune=False, lock_timeout=60, jobs=None,
    secrets=None, user=None, cwd=None, executable="converge",
):  # fmt: skip
    if bool(files) == (declaration is not None):
        raise CommandExecutionError("set either `files` or `declaration`")
    _require_installed(executable)
    argv = [executable, verb, *(_list(files) or ["-"]), "--json", "--quiet"]
    argv += ["--only=" + address for address in _list(only)]
    argv += ["--lock-timeout", str(lock_timeout)] if verb == "apply" else []
    if verb != "check":
        argv += ["--jobs", str(jobs)] if jobs else []
        argv += ["--prune"] if prune else []
        if upgrade:
            argv += ["--upgrade"] if upgrade is True else ["--upgrade-package=" + name for name in _list(upgrade)]
    run = __salt__["cmd.run_all"](
        argv, python_shell=False, stdin=None if files else json.dumps(declaration),
        env=_environment(secrets), runas=user, cwd=cwd, output_loglevel="quiet", ignore_retcode=True,
    )  # fmt: skip
    try:
        report = json.loads(run["stdout"])
        major = int(report["format_version"].split(".")[0])
    except (ValueError, KeyError, TypeError, AttributeError):
        output = (run["stderr"] or run["stdout"]).strip()
        raise CommandExecutionError("`{}` printed no valid report: {}. {}".format(executable, output, HINT)) from None
    if major != 1:
        message = "unsupported report format {} from `{}`, expected 1.x. {}"
        hint = "Update this module." if major > 1 else "Update converge."
        raise CommandExecutionError(message.format(report["format_version"], executable, hint))
    return report


def plan(files=None, **options):
    """
    Return the changes that :py:func:`apply <salt.modules.converge.apply>` would make, without making them.

    files
        Declaration files on the minion, or directories of them: one path, a list, or a
        comma-separated string.

    declaration
        Inline declaration, with the same structure as the TOML file. Use it instead of ``files``.

    only
        Addresses of the resources to limit the run to.

    upgrade
        Packages to upgrade, or ``True`` for all.

    prune
        Delete resources that were removed from the files since an earlier run.
        Can't be combined with ``declaration`` or ``only``.

    lock_timeout
        Seconds to wait for another run that has locked a virtual environment (default: 60).

    jobs
        Maximum number of resources to process in parallel (default: number of CPUs).

    secrets
        Environment variables for converge. Maps each name to the ``sdb://`` URI or the pillar key
        that holds its value. In the declaration, refer to a variable as ``index-url = "env:NAME"``.

    user, cwd, executable
        User and working directory of converge, and its name or path.
    """
    return _run("plan", files, **_public(options))


def apply_(files=None, **options):
    """
    Bring the minion's virtual environments to the declared state.

    Accepts the options of :py:func:`plan <salt.modules.converge.plan>`. If a resource fails, Salt's return
    code is set to the exit code of converge.
    """
    report = _run("apply", files, **_public(options))
    if report["failed"]:
        __context__["retcode"] = report["exit"]["code"] or 1
    return report


def check(files=None, **options):
    """
    Check for drift, and return the JSON report. In it, ``exit.code`` is 0 (no drift), 2 (drift), or 1 (error).

    Accepts the options of :py:func:`plan <salt.modules.converge.plan>`. ``upgrade``, ``prune``,
    ``lock_timeout``, and ``jobs`` have no effect here.
    """
    return _run("check", files, **_public(options))


def version(executable="converge"):
    """
    Return the version of converge.

    Raises:
        CommandExecutionError: converge isn't installed, or prints no version.
    """
    _require_installed(executable)
    run = __salt__["cmd.run_all"]([executable, "version", "--json"], python_shell=False, ignore_retcode=True)
    try:
        return json.loads(run["stdout"])["version"]
    except (ValueError, KeyError, TypeError):
        raise CommandExecutionError("`{}` printed no version. {}".format(executable, HINT)) from None


def _public(options):
    """Return the options without those that Salt's publisher adds to every call."""
    return {name: value for name, value in options.items() if not name.startswith("__pub_")}
