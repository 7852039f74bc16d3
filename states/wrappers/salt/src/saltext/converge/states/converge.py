"""
Virtual environments that are what their declaration says.

.. code-block:: yaml

    /etc/converge/keystone.toml:
      converge.applied:
        - secrets: {WHEELS: "sdb://vault/wheels"}

    keystone:
      service.running:
        - watch: [{converge: /etc/converge/keystone.toml}]

With ``test=True`` the result is ``None`` exactly when the real run would change something,
and the changes are those of the real run. It reads the declaration that is on the minion: bring that
by a state file of its own, which is applied before, or give it here as ``declaration``. A declaration of several environments
gets a line of its own in the output for each.
"""

from salt.exceptions import CommandExecutionError

__virtualname__ = "converge"

DIGESTS = ("artifacts", "settings")


def __virtual__():
    return __virtualname__


def _changes(resource):
    """Package by package, as Salt's own package states say it; digests say nothing to people."""
    changes = {
        change["attribute"]: {"old": change["before"] or "", "new": change["after"] or ""}
        for change in resource["changes"]
        if change["attribute"] not in DIGESTS
    }
    # A package may be called like another attribute that changes.
    short = {name: name.removeprefix("package.") for name in changes}
    return {name if short[name] in changes else short[name]: sides for name, sides in changes.items()}


def _result(failed, changed):
    if failed:
        return False
    return None if changed and __opts__["test"] else True


def _words(error):
    """An error or a problem with what the tools said, and its remedy."""
    # What was declared in the state has no lines.
    place = ("{file}:{line}: " if error.get("line") else "{file}: " if "file" in error else "").format(**error)
    return place + "\n".join(part for part in (error["message"], error.get("output"), error.get("hint")) if part)


def _line(resource):
    """One resource as a line of its own in the output."""
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
    Make the environments be what the declaration says.

    name
        The declaration on the minion, if neither files nor declaration is given.

    files, declaration, only, upgrade, prune, lock_timeout, jobs, secrets, user, cwd, executable
        As for the execution module's :py:func:`plan <salt.modules.converge.plan>`.
    """
    answer = {"name": name, "result": False, "changes": {}, "comment": ""}
    # Without `**unknown` Salt would drop the whole run for a typing error in one state.
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
    # The comment of a run that could not be done is the message of its error.
    told = [_words(document["error"]) if document.get("error") else document["comment"]]
    told += [_words(problem) for problem in document.get("problems") or ()]
    told += [line["name"] + ": " + line["comment"] for line in lines if line["result"] is False]
    told += ["note: " + note for note in document.get("notes") or ()]
    answer["comment"] = "\n".join(told)
    if len(lines) > 1:
        answer["sub_state_run"] = lines
    return answer


def mod_watch(name, sfun=None, **options):
    """Something watched has changed: look again, with the same outcome as a run of its own."""
    keys = ("files", "declaration", "only", "upgrade", "prune", "lock_timeout", "jobs", "secrets", "user", "cwd", "executable")
    return applied(name, **{key: options[key] for key in keys if key in options})
