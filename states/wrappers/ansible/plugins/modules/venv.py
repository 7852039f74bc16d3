#!/usr/bin/python
# Copyright: the venv-converge contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible module that applies a converge declaration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: venv
short_description: Manage Python virtual environments with converge
version_added: "0.1.0"
description:
  - Passes a declaration to the C(converge) command on the target and reports the changes.
  - Check mode makes the same comparison as a real run but changes nothing. It reports exactly
    the changes that a real run would make, for each package.
  - Each virtual environment is built in a new directory and published by one rename. If a task
    is killed, run it again. No manual cleanup is needed.
options:
  files:
    description:
      - Declaration files on the target, or directories of them (every C(*.toml) inside, sorted).
      - Exactly one of O(files) and O(declaration) is required. An empty list is rejected.
    type: list
    elements: path
    aliases: [file]
  declaration:
    description:
      - Inline declaration, with the same structure as the TOML file.
      - Relative paths in it are relative to O(chdir).
    type: dict
  only:
    description: Addresses of the resources to limit the run to, for example C(venv.keystone).
    type: list
    elements: str
    default: []
  upgrade:
    description:
      - Packages to upgrade. All other packages keep their versions.
      - V(*) or V(true) upgrades all packages.
    type: list
    elements: str
    default: []
  prune:
    description:
      - Delete resources that were removed from the files since an earlier run.
      - Can't be combined with O(declaration), whose resources converge doesn't record, or with O(only).
    type: bool
    default: false
  lock_timeout:
    description: Seconds to wait for another run that has locked a virtual environment.
    type: int
    default: 60
  jobs:
    description: Maximum number of resources to process in parallel. The default is the number of CPUs.
    type: int
  secrets:
    description:
      - Environment variables that are set only for converge, for index credentials.
      - In the declaration, refer to a variable as C(index-url = "env:NAME").
      - Numbers are converted to strings. A missing value is rejected.
      - Don't use the task keyword C(environment), because its values appear on the target's command line.
    type: dict
    default: {}
  chdir:
    description: Working directory of converge on the target. It must exist.
    type: path
  executable:
    description: Name or path of the C(converge) command.
    type: path
    default: converge
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.actiongroups
attributes:
  action_group:
    description: Use the group to set defaults for all modules of this collection.
    membership: [converge.python.converge]
    support: full
  check_mode:
    description:
      - Returns the same keys as a real run.
      - If converge isn't installed on the target yet, its changes can't be predicted. The task then
        reports a change and a warning.
    support: full
  diff_mode:
    description: Returns one unified diff for each resource that changes.
    support: full
  platform:
    description: Linux with glibc or musl.
    platforms: linux
    support: full
requirements:
  - The C(converge) command on the target, which the role C(converge.python.engine) installs.
notes:
  - Doesn't install packages into an interpreter of the target, or import any from it.
author:
  - venv-converge contributors (@venv-converge)
"""

EXAMPLES = r"""
- name: Apply Keystone's declaration
  converge.python.venv:
    files: /etc/converge/keystone.toml
  notify: Restart keystone

- name: Apply an inline declaration
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

- name: Upgrade one package
  converge.python.venv:
    files: /etc/converge
    upgrade: [urllib3]
"""

RETURN = r"""
msg:
  description: Summary of the changes, in one line.
  returned: always
  type: str
  sample: 1 updated, 14 unchanged
resources:
  description: The resources, each with its outcome and its changes.
  returned: when converge printed a report
  type: list
  elements: dict
  sample:
    - address: venv.keystone
      action: update
      outcome: changed
      changes:
        - {attribute: package.keystone, before: 27.0.0, after: 27.0.1, reason: requirement changed}
summary:
  description: Number of resources for each action, for example created or updated.
  returned: when converge printed a report
  type: dict
digest:
  description: Digest of the changes. It is the same on all hosts without changes.
  returned: when converge printed a report
  type: str
notices:
  description: Messages that don't require action. Each one is also a warning of the task.
  returned: when converge printed a report
  type: list
  elements: str
  sample: ["`venv.keystone` is held after a rollback"]
exit:
  description: Exit code of converge, its class, and whether a retry can succeed.
  returned: when converge printed a report
  type: dict
"""

import json
import re

from ansible.module_utils.basic import AnsibleModule

KEYS = ("resources", "summary", "digest", "notices", "exit")
DIGESTS = ("artifacts", "settings")
HINT = "Install converge with the role converge.python.engine, or set `executable`."


def command(module, executable):
    """Return the arguments of one run. They contain no secrets."""
    options = module.params
    # Ansible converts a boolean to a list with its name.
    names = [name for name in options["upgrade"] if name != "False"]
    return [
        executable,
        "plan" if module.check_mode else "apply",
        *(options["files"] or ["-"]),
        "--json",
        "--quiet",
        *([] if module.check_mode else ["--lock-timeout", str(options["lock_timeout"])]),
        *(["--jobs", str(options["jobs"])] if options["jobs"] else []),
        *("--only=" + address for address in options["only"]),
        *(["--upgrade"] if {"*", "True"} & set(names) else ["--upgrade-package=" + name for name in names]),
        *(["--prune"] if options["prune"] else []),
    ]


def texts(value):
    """Yield all strings in a value, at any depth."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts(inner)


def passwords(declaration):
    """Return the credentials in URLs, whole and in parts, so that Ansible hides them in the logged arguments."""
    credentials = [info for text in texts(declaration) for info in re.findall(r"://([^/?#\s]+)@", text)]
    return {part for info in credentials for part in (info, info.partition(":")[2]) if part} - {"git", "hg", "svn"}


def parse_report(module, executable, code, out, err):
    """Return the JSON report of converge, or fail the task if it can't be read.

    Args:
        module: The Ansible module.
        executable: The path of converge, for the error message.
        code: The exit code of converge.
        out: The standard output of converge.
        err: The standard error of converge, which becomes part of the failure.

    Returns:
        The parsed report.
    """
    try:
        report = json.loads(out)
        major = int(report["format_version"].split(".")[0])
    except (ValueError, KeyError, TypeError, AttributeError):
        module.fail_json(msg="`%s` printed no valid report (exit code %d). %s" % (executable, code, HINT), stderr=err)
    if major != 1:
        hint = "Update the collection." if major > 1 else "Update converge."
        message = "unsupported report format %s from `%s`, expected 1.x. %s"
        module.fail_json(msg=message % (report["format_version"], executable, hint))
    return report


def line(attribute, value):
    """Return one line of a diff. A package looks like a line in a requirement file."""
    if attribute.startswith("package."):
        return "%s==%s\n" % (attribute[len("package."):], value)
    return "%s: %s\n" % (attribute, value)


def diff(resource):
    """Return both sides of the diff of one resource. Only changed attributes are included."""
    title = "%s %s" % (resource["address"], resource.get("path") or "")
    sides = {"before_header": title.strip(), "after_header": title.strip()}
    for side in ("before", "after"):
        changes = [change for change in resource["changes"] if change["attribute"] not in DIGESTS and change[side] is not None]
        sides[side] = "".join(line(change["attribute"], change[side]) for change in changes)
    return sides


def errors(report):
    """Yield each error with its hint. Errors in an inline declaration have no line numbers."""
    for source in [source for source in [report, *report["resources"]] if source.get("error")]:
        error = source["error"]
        yield ": ".join(part for part in (source.get("address"), error["message"], error.get("hint")) if part)
        yield error.get("output") or ""
    for problem in report.get("problems") or ():
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
    missing = [name for name, value in secrets.items() if value is None]
    if missing or not (files or declaration is not None):
        module.fail_json(msg="missing value for secret: %s" % ", ".join(missing) if missing else "`files` is empty")
    executable = module.get_bin_path(module.params["executable"], opt_dirs=["/usr/local/bin"])
    if executable is None:
        message = "`%s` isn't installed on this host. %s" % (module.params["executable"], HINT)
        if not module.check_mode:
            module.fail_json(msg=message)
        # In a real run, an earlier task might install converge.
        module.warn(message + " Its changes can't be predicted.")
        module.exit_json(changed=True, msg=message)
    completed = module.run_command(
        command(module, executable),
        data=None if files else json.dumps(declaration),
        cwd=module.params["chdir"],
        ignore_invalid_cwd=False,
        environ_update={name: str(value) for name, value in secrets.items()},
    )
    report = parse_report(module, executable, *completed)
    result = {"changed": report["changed"], "msg": report["comment"], **{key: report.get(key) for key in KEYS}}
    for notice in report.get("notices") or ():
        module.warn(notice)
    if module._diff:
        result["diff"] = [diff(resource) for resource in report["resources"] if resource["changes"]]
    if report["failed"] or completed[0] not in (0, 2):
        messages = dict.fromkeys([None if report.get("error") else report["comment"], *errors(report)])
        module.fail_json(**{**result, "msg": "\n".join(filter(None, messages))})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
