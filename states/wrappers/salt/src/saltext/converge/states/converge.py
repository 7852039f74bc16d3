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


def _words(error):
    """Return the message of an error, the output of the failed tool, and the hint."""
    # Errors in an inline declaration have no line numbers.
    place = ("{file}:{line}: " if error.get("line") else "{file}: " if "file" in error else "").format(**error)
    return place + "\n".join(part for part in (error["message"], error.get("output"), error.get("hint")) if part)


def _line(resource):
    """Return the result of one resource, for a line of its own in the output."""
    address, error = resource["address"], resource.get("error")
    failed = resource["outcome"] in ("failed", "skipped")
    changes = _changes(resource) if not failed else {}
    comment = _words(error) if error else resource.get("reason") or resource["outcome"]
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

    name
        Path of the declaration on the minion. Used if neither ``files`` nor ``declaration`` is set.

    files, declaration, only, upgrade, prune, lock_timeout, jobs, secrets, user, cwd, executable
        See :py:func:`plan <salt.modules.converge.plan>` in the execution module.
    """
    answer = {"name": name, "result": False, "changes": {}, "comment": ""}
    # Without `**unknown`, Salt would abort the whole run because of a typo in one state.
    unknown = sorted(key for key in unknown if not key.startswith("__"))
    if unknown:
        answer["comment"] = "There is no option {}".format(", ".join(unknown))
        return answer
    run = __salt__["converge.plan" if __opts__["test"] else "converge.apply"]
    try:
        document = run(
            files if files or declaration is not None else [name], declaration=declaration, only=only, upgrade=upgrade,
            prune=prune, lock_timeout=lock_timeout, jobs=jobs, secrets=secrets, user=user, cwd=cwd, executable=executable,
        )  # fmt: skip
    except CommandExecutionError as error:
        answer["comment"] = str(error)
        return answer
    lines = [_line(resource) for resource in document["resources"]]
    answer["changes"] = {line["name"]: line["changes"] for line in lines if line["changes"]}
    answer["result"] = _result(document["failed"] or document["exit"]["code"] not in (0, 2), document["changed"])
    # If the run itself failed, its comment is the same as the error message.
    told = [_words(document["error"]) if document.get("error") else document["comment"]]
    told += [_words(problem) for problem in document.get("problems") or ()]
    told += [line["name"] + ": " + line["comment"] for line in lines if line["result"] is False]
    told += ["note: " + note for note in document.get("notes") or ()]
    answer["comment"] = "\n".join(told)
    if len(lines) > 1:
        answer["sub_state_run"] = lines
    return answer


def mod_watch(name, sfun=None, **options):
    """Apply the declaration again after a watched state has changed. Return the same result as `applied`."""
    keys = ("files", "declaration", "only", "upgrade", "prune", "lock_timeout", "jobs", "secrets", "user", "cwd", "executable")
    return applied(name, **{key: options[key] for key in keys if key in options})
