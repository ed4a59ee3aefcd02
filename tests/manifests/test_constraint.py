from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from mlscope.manifests import Constraint, same_version

RELEASES = st.lists(st.integers(0, 12), min_size=1, max_size=4)
VERSIONS = RELEASES.map(lambda parts: ".".join(map(str, parts)))
TERMS = st.builds(
    lambda operator, version: operator + version,
    st.sampled_from(["", "^", "~", ">=", ">", "<=", "<", "==", "!="]),
    VERSIONS,
)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^1.3", ["1.3", "1.3.0", "1.99.1"], ["1.2.9", "2.0", "2.0rc1"]),
        ("^0.3", ["0.3.0", "0.3.9"], ["0.4", "0.2.9", "1.0"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4", "0.0.2"]),
        ("^0", ["0.0.1", "0.9"], ["1.0"]),
        ("~1.2", ["1.2", "1.2.9"], ["1.3", "1.1"]),
        ("~1.2.3", ["1.2.3", "1.2.9"], ["1.3", "1.2.2"]),
        ("~1", ["1.0", "1.9"], ["2.0"]),
        (">=1.1.0", ["1.1", "7.0"], ["1.0.9"]),
        ("1.2", ["1.2", "1.2.0", "1.2.7"], ["1.3", "1.20", "1.1.9"]),
        ("1.12", ["1.12.3"], ["1.1", "1.2", "1.120"]),
        ("1", ["1.0", "1.99"], ["2.0", "0.9"]),
        ("1.4.0", ["1.4", "1.4.0"], ["1.4.1"]),
        ("=1.4", ["1.4.0"], ["1.4.1"]),
        ("1.2.x", ["1.2.5"], ["1.3"]),
        ("!=1.2.*", ["1.3"], ["1.2.5"]),
        (">=1,<2", ["1.0", "1.9.9"], ["0.9", "2.0"]),
        (">=1 <2", ["1.0", "1.9.9"], ["0.9", "2.0"]),
        (">= 1.1, != 1.5", ["1.1", "1.6"], ["1.5", "1.0"]),
        ("~=1.4.2", ["1.4.2", "1.4.9"], ["1.5"]),
        ("v1.2.3", ["1.2.3"], ["1.2.4"]),
        ("*", ["0.1", "9", "nightly"], []),
        ("", ["0.1", "9"], []),
        (">=1.4", ["1.5.0.dev3", "1.4.1+cpu"], ["1.4.0rc1", "nightly"]),
    ],
)
def test_a_constraint_admits_what_it_says(text: str, inside: list[str], outside: list[str]) -> None:
    constraint = Constraint.parse(text)
    assert [version for version in inside if not constraint.admits(version)] == []
    assert [version for version in outside if constraint.admits(version)] == []
    assert constraint.satisfiable
    assert str(constraint) == text


@pytest.mark.parametrize(
    "text", ["latest", ">=", "^", "1.2 - 1.4", ">=1 || <0.5", "~=1", ">1.*", "^1.2.x", "1..2", ">>1"]
)
def test_a_text_that_is_no_constraint_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"no version constraint|alternatives"):
        Constraint.parse(text)


@pytest.mark.parametrize("text", [">=2,<1", ">2,<2", "1.2,1.3", "==1.0.0,!=1.0", "<0", "1.2,!=1.2.*", "^1,>=2"])
def test_a_constraint_that_nothing_meets_is_known(text: str) -> None:
    assert not Constraint.parse(text).satisfiable


@given(st.lists(TERMS, min_size=1, max_size=3), VERSIONS)
def test_what_admits_a_version_is_satisfiable(terms: list[str], version: str) -> None:
    constraint = Constraint.parse(",".join(terms))
    if constraint.admits(version):
        assert constraint.satisfiable


@given(st.lists(TERMS, min_size=1, max_size=3), VERSIONS)
def test_a_list_admits_what_all_its_terms_admit(terms: list[str], version: str) -> None:
    expected = all(Constraint.parse(term).admits(version) for term in terms)
    assert Constraint.parse(",".join(terms)).admits(version) == expected


@given(RELEASES, RELEASES)
def test_caret_and_tilde_keep_the_leading_parts(base: list[int], other: list[int]) -> None:
    wanted, version = ".".join(map(str, base)), ".".join(map(str, other))
    padded = [*other, 0, 0, 0, 0]
    significant = next((index for index, part in enumerate(base) if part), len(base) - 1)
    newer = Version(version) >= Version(wanted)
    assert Constraint.parse(f"^{wanted}").admits(version) == (
        newer and padded[: significant + 1] == base[: significant + 1]
    )
    kept = min(2, len(base))
    assert Constraint.parse(f"~{wanted}").admits(version) == (newer and padded[:kept] == base[:kept])


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused_but_nothing_else(text: str) -> None:
    try:
        constraint = Constraint.parse(text)
    except ValueError:
        return
    assert isinstance(constraint.satisfiable, bool)


def test_versions_are_equal_with_and_without_trailing_zeros() -> None:
    assert same_version("1.0", "1.0.0")
    assert not same_version("1.0", "1.0.1")
    assert same_version("nightly", "nightly")
