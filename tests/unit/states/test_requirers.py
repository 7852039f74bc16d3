"""The requirers of a package: parsed from uv's output, and the chain from a declared package."""

from __future__ import annotations

import pytest

from states.installer.requirers import read_annotations, read_requirers
from states.venv.resolve.diagnosis.chains import find_chains

OUTPUTS = {
    "hint: `Loud` (v1.0) was included because `mid` (v1.0) depends on `loud>=1`\n": {
        "loud": {"mid"}
    },
    "hint: `c` (v1) was included because `a` (v1) depends on `b[x]` (v1.0) which depends on `c`\n": {
        "b": {"a"},
        "c": {"b"},
    },
    "  cause: Because mid==1.0 depends on loud.x>=2 and only loud.x<2\n  is available, and "
    "all versions of top depend on\n mid, we can conclude that": {
        "loud-x": {"mid"},
        "mid": {"top"},
    },
    "Because top[tls]>=1, <2 depends on one of:\n  mid<1\n": {"one": {"top"}},
    "error: nothing of that kind": {},
}


@pytest.mark.parametrize(("output", "requirers"), OUTPUTS.items())
def test_output_names_the_requirers(output: str, requirers: dict[str, set[str]]) -> None:
    """In hints about builds, and in explanations of conflicts."""
    assert read_requirers(output) == requirers


def test_annotations_name_the_requirers() -> None:
    """A requirement file isn't a package."""
    text = (
        "loud==1.0                 # via mid, other\n"
        "mid @ file:///srv/mid     # via Top\n"
        "top[tls]==1               # via -r requirements.in\n"
        "bare==1\n"
    )
    assert read_annotations(text) == {"loud": {"mid", "other"}, "mid": {"top"}}


REQUIRERS = {"loud": {"mid", "other"}, "mid": {"top", "loud"}, "other": {"bottom"}}


@pytest.mark.parametrize(
    ("declared", "chains"),
    [
        ({"top"}, [["top", "mid", "loud"]]),
        ({"top", "other"}, [["other", "loud"], ["top", "mid", "loud"]]),
        ({"loud"}, [["loud"]]),
        (set(), [["bottom", "other", "loud"]]),
    ],
)
def test_chain_begins_with_a_declared_package(declared: set[str], chains: list[list[str]]) -> None:
    """A cycle doesn't matter. Without a declared package, one chain shows all requirers."""
    assert find_chains("loud", REQUIRERS, declared) == chains


def test_package_without_requirers_has_no_chain() -> None:
    assert find_chains("loud", {}, {"top"}) == []
