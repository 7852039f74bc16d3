# Copyright: the venv-converge contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.converge.python.plugins.modules import venv


def test_line_formats_a_package_like_a_requirement():
    assert venv.line("package.alpha", "1.0") == "alpha==1.0\n"


def test_line_formats_other_attributes_with_their_name():
    assert venv.line("owner", "web") == "owner: web\n"


def test_diff_shows_a_new_package_only_in_after():
    changes = [{"attribute": "package.alpha", "before": None, "after": "1.0", "reason": "newly required"}]
    sides = venv.diff({"address": "venv.web", "path": "/srv/web", "changes": changes})
    assert sides["before"] == ""
    assert sides["after"] == "alpha==1.0\n"
    assert sides["before_header"] == "venv.web /srv/web"


def test_passwords_are_found_at_any_depth_without_plain_users():
    declaration = {"a": [{"b": "x @ https://me:pass@host/x.whl"}, "git+ssh://git@host/y"], "c": 1, "d": None}
    assert venv.passwords(declaration) == {"me:pass", "pass"}
