"""The reason that a plan gives for each changed attribute."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from engine.diff import Change
from states.venv.explain import explain
from states.venv.integrity.receipt import Package, Receipt
from states.venv.layout import store_of
from states.venv.observe import Observation
from states.venv.resolve.selection import Selection
from states.venv.spec import Venv
from tests.unit.states.values import make_python, make_receipt

WEB = Package(name="web", version="1.0", content="sha256:aa")
SPEC = Venv(path="/srv/web")
STORE = store_of(SPEC.path)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One changed attribute of a published venv."""

    attribute: str
    before: str | None = None
    after: str | None = None


def _reason(
    case: Case,
    *,
    spec: Venv = SPEC,
    receipt: Receipt | None = None,
    selection: Selection | None = None,
    link: str = "",
) -> str:
    observation = Observation(store=STORE, state={"path": "published"}, receipt=receipt, link=link)
    change = Change(attribute=case.attribute, before=case.before, after=case.after)
    return explain(spec, change, observation, selection)


PUBLISHED = make_receipt(packages=(WEB,))
EXPLAINED = [
    Case(attribute="package.web", before=None, after="1.0"),
    Case(attribute="package.web", before="1.0", after=None),
    Case(attribute="package.web", before="1.0", after="2.0"),
    Case(attribute="package.web", before="0.9", after="1.0"),
    Case(attribute="package.api", before=None, after="1.0"),
    Case(attribute="package.api", before="1.0", after=None),
]


def test_each_package_change_has_its_own_reason() -> None:
    """Deleted, unrequired, upgraded, replaced, new, and unrequested packages differ."""
    reasons = [_reason(case, receipt=PUBLISHED) for case in EXPLAINED]
    assert all(reasons)
    assert len(set(reasons)) == len(reasons)


def test_unexpected_file_differs_from_a_modified_one() -> None:
    """Both have a reason."""
    unexpected = _reason(Case(attribute="file.a", before="unexpected"), receipt=PUBLISHED)
    modified = _reason(Case(attribute="file.a", before="modified"), receipt=PUBLISHED)
    assert unexpected
    assert modified
    assert unexpected != modified


INTERPRETERS = [f"{drift} /usr/bin/python3.11" for drift in ("missing", "changed", "3.11.7")]


def test_interpreter_change_has_three_reasons() -> None:
    """It is missing, was replaced, or another one is declared."""
    cases = [Case(attribute="python", before=before) for before in INTERPRETERS]
    assert len({_reason(case, receipt=PUBLISHED) for case in cases}) == len(INTERPRETERS)


@pytest.mark.parametrize("before", ["published", "foreign", "symlink to /srv/b", "missing"])
def test_path_change_has_a_reason_without_receipt(before: str) -> None:
    """A directory that converge didn't create has no receipt."""
    assert _reason(Case(attribute="path", before=before))


def test_replaced_symlink_is_named() -> None:
    """The reason contains its target."""
    text = _reason(Case(attribute="path", before="foreign"), link="/opt/previous")
    assert "/opt/previous" in text


DECLARED = ["settings", "system-site-packages", "owner", "group", "mode"]


def test_declared_attributes_share_one_reason() -> None:
    """They change only with the declaration."""
    reasons = {_reason(Case(attribute=name), receipt=PUBLISHED) for name in DECLARED}
    assert len(reasons) == 1
    assert reasons != {""}


def _selection(*packages: Package) -> Selection:
    return Selection(request="3", python=make_python(), lock="", packages=packages)


def test_replaced_file_of_a_version_is_named() -> None:
    """A changed version already has a reason of its own."""
    case = Case(attribute="artifacts")
    rebuilt = Package(name="web", version="1.0", content="sha256:bb")
    newer = Package(name="web", version="2.0", content="sha256:bb")
    reason = _reason(case, receipt=PUBLISHED, selection=_selection(rebuilt))
    assert reason == "the file of web 1.0 has the SHA-256 bb…, not aa…"
    assert _reason(case, receipt=PUBLISHED, selection=_selection(newer)) == ""
    assert _reason(case, receipt=PUBLISHED) == ""


SILENT = ["package.web", "file.a", "python", "settings"]


@pytest.mark.parametrize("attribute", SILENT)
def test_new_venv_needs_no_reasons(attribute: str) -> None:
    """Without a receipt, everything is new; a removal explains itself."""
    case = Case(attribute=attribute, after="x")
    assert _reason(case) == ""
    assert _reason(case, spec=Venv(path="/srv/web", state="absent"), receipt=PUBLISHED) == ""
    missing = Observation(store=STORE, state=None)
    assert explain(SPEC, Change(attribute=attribute, before=None, after="x"), missing, None) == ""


def test_unknown_attribute_has_no_reason() -> None:
    """The plan shows the change alone."""
    assert _reason(Case(attribute="anything"), receipt=PUBLISHED) == ""
