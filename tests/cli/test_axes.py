"""Lists and ranges of flags' values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.cli._axes import Axis, combinations, read_axes, values_of
from mlscope.errors import UsageError

VALUES = [
    ("--batch-size", "1,2,4", ("1", "2", "4")),
    ("--batch-size", "8", ("8",)),
    ("--samples-per-query", "20:40:10", ("20", "30", "40")),
    ("--samples-per-query", "20:39:10", ("20", "30")),
    ("--threads", "1:3", ("1", "2", "3")),
    ("--threads", "1:3,8", ("1", "2", "3", "8")),
    ("--streams", "1:16:x2", ("1", "2", "4", "8", "16")),
    ("--target-qps", "0.5:1.5:0.5", ("0.5", "1", "1.5")),
    ("--target-qps", "100:1000:x1.5", ("100", "150", "225", "337.5", "506.25", "759.375")),
    ("--framework", "onnxruntime>=1.18,<1.20,openvino", ("onnxruntime>=1.18,<1.20", "openvino")),
    ("--framework", "onnxruntime==1.18.1,onnxruntime==1.20.1", ("onnxruntime==1.18.1", "onnxruntime==1.20.1")),
    ("--option", '["a", "b"]', ('["a", "b"]',)),
    ("--min-duration", "500ms,2s", ("500ms", "2s")),
    ("--python", "3.11,3.12", ("3.11", "3.12")),
]


@pytest.mark.parametrize(("flag", "text", "values"), VALUES)
def test_values(flag: str, text: str, values: tuple[str, ...]) -> None:
    assert values_of(flag, text) == values


WRONG = [
    ("5:1", "empty: 5 is more than 1"),
    ("1:5:0", "never ends"),
    ("1:5:-1", "never ends"),
    ("1:5:x1", "never ends"),
    ("0:5:x2", "never ends"),
    ("1:100000", "more than 10,000 values"),
    ("1,,2", "an empty value"),
    ("", "an empty value"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_wrong_values(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        values_of("--batch-size", text)
    assert caught.value.where == "--batch-size"


@given(st.integers(-1000, 1000), st.integers(0, 300), st.integers(1, 50))
def test_a_range_holds_its_first_value_and_never_passes_its_last(first: int, length: int, step: int) -> None:
    found = [int(each) for each in values_of("--x", f"{first}:{first + length}:{step}")]
    assert found == list(range(first, first + length + 1, step))


def test_axes_and_what_does_not_vary() -> None:
    axes, fixed = read_axes(
        ["model.onnx", "--random-inputs", "--batch-size=1,2", "--tags=a,b", "--option=precision=fp32,bf16",
         "--shape=in:0:1x3", "--framework=openvino", "--framework=onnxruntime"]
    )  # fmt: skip
    assert axes == [
        Axis("batch-size", "--batch-size=", ("1", "2")),
        Axis("precision", "--option=precision=", ("fp32", "bf16")),
        Axis("framework", "--framework=", ("openvino", "onnxruntime")),
    ]
    assert fixed == ["model.onnx", "--random-inputs", "--tags=a,b", "--shape=in:0:1x3"]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_axes_multiply(sizes: list[int]) -> None:
    axes = [Axis(f"a{n}", f"--a{n}=", tuple(map(str, range(size)))) for n, size in enumerate(sizes)]
    found = combinations(axes, ["--fixed"], [])
    count = 1
    for size in sizes:
        count *= size
    assert len({each.arguments for each in found}) == len(found) == count
    assert all(each.arguments[-1] == "--fixed" for each in found)


def test_tied_axes_move_together() -> None:
    axes = [Axis("a", "--a=", ("1", "2")), Axis("b", "--b=", ("x", "y")), Axis("c", "--c=", ("3", "4"))]
    found = combinations(axes, [], [["a", "c"]])
    assert [dict(each.values) for each in found] == [
        {"a": "1", "c": "3", "b": "x"},
        {"a": "1", "c": "3", "b": "y"},
        {"a": "2", "c": "4", "b": "x"},
        {"a": "2", "c": "4", "b": "y"},
    ]


@pytest.mark.parametrize(
    ("ties", "words"),
    [([["a", "d"]], '"d" is no axis'), ([["a", "b"]], "equally many"), ([["a", "c"], ["a", "c"]], "twice")],
)
def test_ties_that_cannot_be(ties: list[list[str]], words: str) -> None:
    axes = [Axis("a", "--a=", ("1", "2")), Axis("b", "--b=", ("x", "y", "z")), Axis("c", "--c=", ("3", "4"))]
    with pytest.raises(UsageError, match=words):
        combinations(axes, [], ties)
