"""Names of trace levels."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.errors import UsageError
from mlscope.plan import parse_trace_level
from mlscope.worker.protocol import TraceLevel


@pytest.mark.parametrize("level", list(TraceLevel))
def test_case_dashes_and_underscores_do_not_matter(level: TraceLevel) -> None:
    spellings = (level.name, level.name.lower(), level.name.replace("_", "-"), level.name.replace("_", ""))
    assert {parse_trace_level(spelling) for spelling in spellings} == {level}
    assert parse_trace_level("ML_LIBRARY_TRACE") is TraceLevel.LIBRARY_TRACE


@pytest.mark.parametrize("level", list(TraceLevel))
def test_a_misspelt_level_suggests_the_one_that_was_meant(level: TraceLevel) -> None:
    for wrong in (level.name[:-1], f"{level.name}S", level.name.replace("A", "", 1)):
        with pytest.raises(UsageError, match=f'"{wrong}"; did you mean {level.name}\\?'):
            parse_trace_level(wrong)


def test_what_is_like_no_level_lists_them_all() -> None:
    with pytest.raises(UsageError, match=r"--trace-level: .*choose from NO_TRACE, APPLICATION_TRACE, .*FULL_TRACE"):
        parse_trace_level("deep")


@given(st.text(max_size=20))
def test_any_text_is_a_level_or_one_error(text: str) -> None:
    with contextlib.suppress(UsageError):
        assert isinstance(parse_trace_level(text), TraceLevel)
