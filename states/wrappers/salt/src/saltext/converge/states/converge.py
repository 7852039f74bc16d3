"""
Manage Python virtual environments with converge.

.. code-block:: yaml

    /etc/converge/keystone.toml:
      converge.applied:
        - secrets: {WHEELS: "sdb://vault/wheels"}

    keystone:
      service.running:
        - watch: [{converge: /etc/converge/keystone.toml}]

With ``test=True``, the result is ``None`` exactly if the real run would change something, and the
changes are those of the real run. A test run reads the declaration on the minion. Copy the declaration
in a separate state file that you apply first, or pass it inline as ``declaration``.

If a declaration has several resources, the output contains one line for each.
"""

from salt.exceptions import CommandExecutionError

__virtualname__ = "converge"

DIGESTS = ("artifacts", "settings")


def __virtual__():
    return __virtualname__


def _changes(resource):
    """Return the changes in the format of Salt's package states. Digests are omitted."""
    changes = {
        change["attribute"]: {"old": change["before"] or "", "new": change["after"] or ""}
        for change in resource["changes"]
        if change["attribute"] not in DIGESTS
    }
    # A package can have the same name as another changed attribute.
    short = {name: name.removeprefix("package.") for name in changes}
    return {name if short[name] in changes else short[name]: sides for name, sides in changes.items()}


def _result(failed, changed):
    if failed:
        return False
    return None if changed and __opts__["test"] else True


def _message(error):
    """Return the message of an error, the output of the failed tool, and the hint."""
    # Errors in an inline declaration have no line numbers.
    location = ("{file}:{line}: " if error.get("line") else "{file}: " if "file" in error else "").format(**error)
    return location + "\n".join(part for part in (error["message"], error.get("output"), error.get("hint")) if part)


def _line(resource):
    """Return the result of one resource, for a line of its own in the output."""
    address, error = resource["address"], resource.get("error")
    failed = resource["outcome"] in ("failed", "skipped")
    changes = _changes(resource) if not failed else {}
    comment = _message(error) if error else resource.get("reason") or resource["outcome"]
    return {
        "name": address,
        "changes": changes,
        "result": _result(failed, resource["outcome"] == "would-change"),
        "comment": comment,
        "low": {"name": resource.get("path") or address, "state": "converge", "__id__": address, "fun": "applied"},
    }


def applied(
    name, files=None, declaration=None, only=None, upgrade=None, prune=False, lock_timeout=60, jobs=None,
    secrets=None, user=None, cwd=None, executable="converge", **unknown
):  # fmt: skip
    """
    Bring the minion's virtual environments to the declared state.

    Args:
        name: Path of the declaration on the minion. Used if neither ``files`` nor ``declaration`` is set.
        files: Declaration files on the minion, or directories of them.
        declaration: Inline declaration, with the same structure as the TOML file.
        only: Addresses of the resources to limit the run to.
        upgrade: Packages to upgrade, or ``True`` for all.
        prune: Delete resources that were removed from the files since an earlier run.
            Can't be combined with ``declaration`` or ``only``.
        lock_timeout: Seconds to wait for another run that has locked a virtual environment (default: 60).
        jobs: Maximum number of resources to process in parallel (default: number of CPUs).
        secrets: Maps environment variables of converge to ``sdb://`` URIs or pillar keys.
        user: User that runs converge.
        cwd: Working directory of converge.
        executable: Name or path of converge.
        unknown: Options that don't exist. They make only this state fail.

    Returns:
        The result of the state, as Salt expects it.
    """
    result = {"name": name, "result": False, "changes": {}, "comment": ""}
    # Without `**unknown`, Salt would abort the whole run because of a typo in one state.
    unknown = sorted(key for key in unknown if not key.startswith("__"))
    if unknown:
        result["comment"] = "unknown option: {}".format(", ".join(unknown))
        return result
    run = __salt__["converge.plan" if __opts__["test"] else "converge.apply"]
    try:
        report = run(
            files if files or declaration is not None else [name], declaration=declaration, only=only, upgrade=upgrade,
            prune=prune, lock_timeout=lock_timeout, jobs=jobs, secrets=secrets, user=user, cwd=cwd, executable=executable,
        )  # fmt: skip
    except CommandExecutionError as error:
        result["comment"] = str(error)
        return result
    lines = [_line(resource) for resource in report["resources"]]
    result["changes"] = {line["name"]: line["changes"] for line in lines if line["changes"]}
    result["result"] = _result(report["failed"] or report["exit"]["code"] not in (0, 2), report["changed"])
    # If the run itself failed, its comment is the same as the error message.
    messages = [_message(report["error"]) if report.get("error") else report["comment"]]
    messages += [_message(problem) for problem in report.get("problems") or ()]
    messages += [line["name"] + ": " + line["comment"] for line in lines if line["result"] is False]
    messages += ["note: " + notice for notice in report.get("notices") or ()]
    result["comment"] = "\n".join(messages)
    if len(lines) > 1:
        result["sub_state_run"] = lines
    return result


def mod_watch(name, sfun=None, **options):
    """
    Apply the declaration again after a watched state has changed.

    Args:
        name: See `applied`.
        sfun: Name of the state function, unused.
        options: Options of `applied`. Requisites and other options of Salt are ignored.

    Returns:
        The result of `applied`.
    """
    keys = ("files", "declaration", "only", "upgrade", "prune", "lock_timeout", "jobs", "secrets", "user", "cwd", "executable")
    return applied(name, **{key: options[key] for key in keys if key in options})
