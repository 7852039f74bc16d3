# Copyright: the venv-converge contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.converge.python.plugins.modules import venv


def test_a_package_of_a_diff_reads_as_in_a_requirement_file():
    assert venv.line("package.alpha", "1.0") == "alpha==1.0\n"


def test_anything_else_of_a_diff_keeps_its_name():
    assert venv.line("owner", "nobody") == "owner: nobody\n"


def test_a_new_package_stands_only_on_the_right_side_of_the_diff():
    changes = [{"attribute": "package.alpha", "before": None, "after": "1.0", "reason": "asked for"}]
    sides = venv.diff({"address": "venv.web", "path": "/srv/web", "changes": changes})
    assert sides["before"] == ""
    assert sides["after"] == "alpha==1.0\n"
    assert sides["before_header"] == "venv.web /srv/web"


def test_a_password_is_found_at_any_depth_and_a_plain_user_is_none():
    declaration = {"a": [{"b": "x @ https://me:pass@host/x.whl"}, "git+ssh://git@host/y"], "c": 1, "d": None}
    assert venv.passwords(declaration) == {"me:pass", "pass"}
