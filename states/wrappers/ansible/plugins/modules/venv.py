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
      - Exactly one of O(files) and O(declaration) is given.
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
      - V(*) stands for all of them.
    type: list
    elements: str
    default: []
  prune:
    description: Remove what an earlier declaration asked for and this one does not name.
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
      - Use this and not the task keyword C(environment), which shows on the target's command line.
    type: dict
    default: {}
  chdir:
    description: Folder on the target in which the engine runs.
    type: path
  executable:
    description: The engine, by name or path.
    type: str
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
    description: The same keys are returned as in the real run.
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
  description: Identity of what was, or would be, done. Two hosts with the same digest had the same plan.
  returned: when the engine answered
  type: str
exit:
  description: The engine's exit code, its class, and whether trying again can help.
  returned: when the engine answered
  type: dict
"""

import json
import re

from ansible.module_utils.basic import AnsibleModule

KEYS = ("resources", "summary", "digest", "exit")
REMEDY = "Install it with the role converge.python.engine, or name it by `executable`."


def command(module, engine):
    """The argv of one run; nothing secret is in it."""
    options = module.params
    argv = [engine, "plan" if module.check_mode else "apply", *(options["files"] or ["-"]), "--json", "--quiet"]
    argv += [] if module.check_mode else ["--lock-timeout", str(options["lock_timeout"])]
    argv += ["--jobs", str(options["jobs"])] if options["jobs"] else []
    argv += ["--only=" + address for address in options["only"]]
    if options["upgrade"]:
        argv.append("--upgrade" if "*" in options["upgrade"] else "--upgrade=" + ",".join(options["upgrade"]))
    return argv + (["--prune"] if options["prune"] else [])


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
        changes = [change for change in resource["changes"] if change[side] is not None]
        sides[side] = "".join(line(change["attribute"], change[side]) for change in changes)
    return sides


def complaints(answer):
    """What went wrong, with the remedy, one line each."""
    for problem in answer.get("problems") or ():
        yield "%(file)s:%(line)s: %(message)s" % problem
    for where in [answer, *answer["resources"]]:
        error = where.get("error")
        if error:
            yield ": ".join(part for part in (where.get("address"), error["message"], error.get("hint")) if part)
            yield error.get("output") or ""


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
            "executable": {"type": "str", "default": "converge"},
        },
        mutually_exclusive=[("files", "declaration")],
        required_one_of=[("files", "declaration")],
        supports_check_mode=True,
    )
    inline = None if module.params["files"] else json.dumps(module.params["declaration"])
    # A password written into an index URL after all must not be shown with the invocation.
    module.no_log_values.update(re.findall(r"//[^/@:\s\"]*:([^/@\s\"]+)@", inline or ""))
    engine = module.get_bin_path(module.params["executable"], opt_dirs=["/usr/local/bin", "/opt/converge/bin"])
    if engine is None:
        module.fail_json(msg="The engine `%s` is not on this host. %s" % (module.params["executable"], REMEDY))
    code, out, err = module.run_command(
        command(module, engine), data=inline, cwd=module.params["chdir"], environ_update=module.params["secrets"]
    )
    answer = understood(module, engine, code, out, err)
    result = {key: answer.get(key) for key in KEYS}
    result.update(changed=answer["changed"], msg=answer["comment"])
    if module._diff:
        result["diff"] = [diff(resource) for resource in answer["resources"] if resource["changes"]]
    if answer["failed"] or code not in (0, 2):
        result["msg"] = "\n".join([answer["comment"], *complaints(answer)]).strip()
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
