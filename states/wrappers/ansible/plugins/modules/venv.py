#!/usr/bin/python
# Copyright: the venv-converge contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task that brings Python virtual environments to what a declaration says."""

from __future__ import annotations

DOCUMENTATION = r"""
module: venv
short_description: Make Python virtual environments be what a declaration says
version_added: "0.1.0"
description:
  - Hands a declaration to the C(converge) command on the target and reports what it did.
  - In check mode the same computation runs without the act, so the task foretells exactly
    what the real run will do, package by package.
  - Every virtual environment is built aside and switched by one rename. A task that is killed
    can be run again; nothing has to be cleaned up by hand.
options:
  files:
    description:
      - Declarations on the target, or folders of them (every C(*.toml) inside, sorted).
      - Exactly one of O(files) and O(declaration) is given. A list of no files is refused.
    type: list
    elements: path
    aliases: [file]
  declaration:
    description:
      - The declaration itself, in the shape of the TOML file.
      - Relative paths in it are relative to O(chdir).
    type: dict
  only:
    description: Addresses to which the run is limited, as C(venv.keystone).
    type: list
    elements: str
    default: []
  upgrade:
    description:
      - Packages that are resolved afresh instead of keeping their versions.
      - V(*) stands for all of them, as does V(true).
    type: list
    elements: str
    default: []
  prune:
    description:
      - Remove what an earlier declaration in the same files asked for and this one does not name.
      - Refused together with O(declaration), which no later run can be told to replace, and with O(only).
    type: bool
    default: false
  lock_timeout:
    description: Seconds to wait for another run that holds a virtual environment.
    type: int
    default: 60
  jobs:
    description: How many virtual environments are built at the same time.
    type: int
  secrets:
    description:
      - Environment variables for the engine alone, for index credentials.
      - A declaration names one as C(index-url = "env:NAME").
      - Numbers are taken as they are written, a value that is missing is refused.
      - Use this and not the task keyword C(environment), which shows on the target's command line.
    type: dict
    default: {}
  chdir:
    description: Folder on the target in which the engine runs. It must be there.
    type: path
  executable:
    description: The engine, by name or path.
    type: path
    default: converge
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
attributes:
  action_group:
    description: Defaults for all modules of this collection are set through the group.
    membership: [converge.python.converge]
    support: full
  check_mode:
    description:
      - The same keys are returned as in the real run.
      - Where the engine is not on the target yet, what it would do cannot be foretold. The task then counts
        as a change, with a warning.
    support: full
  diff_mode:
    description: One unified diff for each resource that differs.
    support: full
  platform:
    description: Linux with glibc or musl.
    platforms: linux
    support: full
requirements:
  - The C(converge) command on the target, which the role C(converge.python.engine) installs.
notes:
  - Installs into no interpreter of the target and imports nothing from one.
author:
  - venv-converge contributors (@venv-converge)
"""

EXAMPLES = r"""
- name: Keystone's environment is what its declaration says
  converge.python.venv:
    files: /etc/converge/keystone.toml
  notify: Restart keystone

- name: The same, declared in the play
  converge.python.venv:
    declaration:
      venv:
        keystone:
          path: /openstack/venvs/keystone
          python: "3.11"
          packages: [keystone, uwsgi]
          index-url: env:WHEELS
    secrets:
      WHEELS: "https://deploy:{{ wheel_password }}@wheels.example/simple"
  become: true
  become_user: keystone

- name: Security fixes for one package
  converge.python.venv:
    files: /etc/converge
    upgrade: [urllib3]
"""

RETURN = r"""
msg:
  description: One line on what was done, or would be.
  returned: always
  type: str
  sample: 1 updated, 14 unchanged
resources:
  description: Each resource with its outcome and its changes.
  returned: when the engine answered
  type: list
  elements: dict
  sample:
    - address: venv.keystone
      action: update
      outcome: changed
      changes:
        - {attribute: package.keystone, before: 27.0.0, after: 27.0.1, reason: requirement changed}
summary:
  description: How many resources were created, updated and so on.
  returned: when the engine answered
  type: dict
digest:
  description: Identity of what was, or would be, done; the same on all hosts that have nothing to do.
  returned: when the engine answered
  type: str
notes:
  description: What somebody should know though nothing is done about it. Each is a warning too.
  returned: when the engine answered
  type: list
  elements: str
  sample: ["`venv.keystone` is held after a rollback"]
exit:
  description: The engine's exit code, its class, and whether trying again can help.
  returned: when the engine answered
  type: dict
"""

import json
import re

from ansible.module_utils.basic import AnsibleModule

KEYS = ("resources", "summary", "digest", "notes", "exit")
DIGESTS = ("artifacts", "settings")
REMEDY = "Install it with the role converge.python.engine, or name it by `executable`."


def command(module, engine):
    """The argv of one run; nothing secret is in it."""
    options = module.params
    # A plain boolean comes as a list of its name.
    names = [name for name in options["upgrade"] if name != "False"]
    return [
        engine,
        "plan" if module.check_mode else "apply",
        *(options["files"] or ["-"]),
        "--json",
        "--quiet",
        *([] if module.check_mode else ["--lock-timeout", str(options["lock_timeout"])]),
        *(["--jobs", str(options["jobs"])] if options["jobs"] else []),
        *("--only=" + address for address in options["only"]),
        *(["--upgrade" if {"*", "True"} & set(names) else "--upgrade=" + ",".join(names)] if names else []),
        *(["--prune"] if options["prune"] else []),
    ]


def texts(value):
    """All strings in a value, at any depth."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(inner)


def passwords(declaration):
    """What stands before the host in a URL: it must not be shown with the invocation, in whole or in part."""
    found = [info for text in texts(declaration) for info in re.findall(r"://([^/?#\s]+)@", text)]
    return {part for info in found for part in (info, info.partition(":")[2]) if part} - {"git", "hg", "svn"}


def understood(module, engine, code, out, err):
    """The engine's document, or a failure which says what to install."""
    try:
        answer = json.loads(out)
        major = int(answer["format_version"].split(".")[0])
    except (ValueError, KeyError, TypeError, AttributeError):
        module.fail_json(msg="%s gave no answer that this module reads (exit %d). %s" % (engine, code, REMEDY), stderr=err)
    if major != 1:
        verb = "newer: update the collection." if major > 1 else "older. " + REMEDY
        module.fail_json(msg="%s answers in format %s, this module reads 1.x; it is %s" % (engine, answer["format_version"], verb))
    return answer


def line(attribute, value):
    """One line of a diff; a package looks as in a requirement file."""
    if attribute.startswith("package."):
        return "%s==%s\n" % (attribute[len("package."):], value)
    return "%s: %s\n" % (attribute, value)


def diff(resource):
    """Both sides of one resource, only what differs."""
    title = "%s %s" % (resource["address"], resource.get("path") or "")
    sides = {"before_header": title.strip(), "after_header": title.strip()}
    for side in ("before", "after"):
        changes = [change for change in resource["changes"] if change["attribute"] not in DIGESTS and change[side] is not None]
        sides[side] = "".join(line(change["attribute"], change[side]) for change in changes)
    return sides


def complaints(answer):
    """What went wrong, with the remedy, one line each; a declaration of the play has no numbers of lines."""
    for where in [where for where in [answer, *answer["resources"]] if where.get("error")]:
        error = where["error"]
        yield ": ".join(part for part in (where.get("address"), error["message"], error.get("hint")) if part)
        yield error.get("output") or ""
    for problem in answer.get("problems") or ():
        yield ("%(file)s:%(line)s: %(message)s" if problem["line"] else "%(file)s: %(message)s") % problem + (
            "; " + problem["hint"] if problem.get("hint") else ""
        )


def main():
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "path", "aliases": ["file"]},
            "declaration": {"type": "dict"},
            "only": {"type": "list", "elements": "str", "default": []},
            "upgrade": {"type": "list", "elements": "str", "default": []},
            "prune": {"type": "bool", "default": False},
            "lock_timeout": {"type": "int", "default": 60},
            "jobs": {"type": "int"},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "chdir": {"type": "path"},
            "executable": {"type": "path", "default": "converge"},
        },
        mutually_exclusive=[("files", "declaration")],
        required_one_of=[("files", "declaration")],
        supports_check_mode=True,
    )
    files, declaration, secrets = (module.params[name] for name in ("files", "declaration", "secrets"))
    module.no_log_values.update(passwords(declaration))
    unknown = [name for name, value in secrets.items() if value is None]
    if unknown or not (files or declaration is not None):
        module.fail_json(msg="No value for the secret %s" % ", ".join(unknown) if unknown else "There are no files in `files`")
    engine = module.get_bin_path(module.params["executable"], opt_dirs=["/usr/local/bin"])
    if engine is None:
        missing = "The engine `%s` is not on this host. %s" % (module.params["executable"], REMEDY)
        if not module.check_mode:
            module.fail_json(msg=missing)
        # An earlier task may install it in the real run.
        module.warn(missing + " What it would do cannot be foretold.")
        module.exit_json(changed=True, msg=missing)
    answered = module.run_command(
        command(module, engine),
        data=None if files else json.dumps(declaration),
        cwd=module.params["chdir"],
        ignore_invalid_cwd=False,
        environ_update={name: str(value) for name, value in secrets.items()},
    )
    answer = understood(module, engine, *answered)
    result = {"changed": answer["changed"], "msg": answer["comment"], **{key: answer.get(key) for key in KEYS}}
    for note in answer.get("notes") or ():
        module.warn(note)
    if module._diff:
        result["diff"] = [diff(resource) for resource in answer["resources"] if resource["changes"]]
    if answer["failed"] or answered[0] not in (0, 2):
        told = dict.fromkeys([None if answer.get("error") else answer["comment"], *complaints(answer)])
        module.fail_json(**{**result, "msg": "\n".join(filter(None, told))})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
