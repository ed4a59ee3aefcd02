"""Messages come back as they were sent, whatever they hold."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.worker import protocol
from mlscope.worker.protocol import (
    Batch,
    Done,
    Failed,
    Hello,
    Load,
    Loaded,
    LoadTest,
    Message,
    Quit,
    Ready,
    Stream,
    Tensor,
    TestDone,
)

WHOLE = st.integers(-(2**63), 2**64)
TEXT = st.text(st.characters(codec=None), max_size=20)  # with lone surrogates, as in undecodable file names
LIST = st.lists(TEXT, max_size=3)
PLAIN = st.recursive(
    st.none() | st.booleans() | WHOLE | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TENSORS = st.lists(st.builds(Tensor, TEXT, TEXT, st.lists(WHOLE, max_size=4).map(tuple)), max_size=3)
FREE = st.dictionaries(TEXT, PLAIN, max_size=3)
SETTINGS = st.dictionaries(TEXT, st.booleans() | WHOLE | st.floats(allow_nan=False), max_size=3)
MESSAGES: list[st.SearchStrategy[Message]] = [
    st.builds(Hello, WHOLE, TEXT, TEXT, WHOLE),
    st.builds(
        Load, TEXT, st.dictionaries(TEXT, TEXT, max_size=2), TENSORS, WHOLE, WHOLE, TEXT, WHOLE, FREE, st.booleans()
    ),
    st.builds(Loaded, WHOLE, WHOLE, TEXT, TENSORS, TENSORS, st.none() | WHOLE, FREE, LIST),
    st.builds(Stream, TEXT, WHOLE, WHOLE, st.lists(WHOLE, max_size=3), TEXT, LIST),
    st.builds(Batch, WHOLE, WHOLE, st.lists(WHOLE, max_size=5), st.booleans()),
    st.builds(Done, WHOLE, WHOLE, WHOLE, WHOLE, st.none() | TEXT),
    st.builds(
        LoadTest,
        scenario=TEXT,
        mode=TEXT,
        settings=SETTINGS,
        outdir=TEXT,
        model_key=TEXT,
        inputs=LIST,
        sample_count=WHOLE,
        performance_count=WHOLE,
        samples=TEXT,
        outputs=LIST,
        output=WHOLE,
        label_offset=WHOLE,
        answer=TEXT,
        warmup=WHOLE,
        mlperf_conf=st.none() | TEXT,
        user_conf=st.none() | TEXT,
        audit_conf=st.none() | TEXT,
        trace=st.booleans(),
    ),
    st.builds(TestDone, WHOLE, WHOLE, WHOLE, FREE, TEXT, st.none() | TEXT),
    st.builds(Ready, WHOLE),
    st.builds(Failed, TEXT, TEXT),
    st.builds(Quit),
]


@given(st.one_of(MESSAGES))
def test_a_message_comes_back_as_it_was_sent(message: Message) -> None:
    line = protocol.encode(message)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert protocol.decode(line) == message


@given(st.lists(st.one_of(MESSAGES), max_size=4))
def test_messages_are_read_in_their_order_until_the_pipe_ends(messages: list[Message]) -> None:
    pipe = io.BytesIO()
    for message in messages:
        protocol.write_message(pipe, message)
    pipe.seek(0)
    assert list(iter(lambda: protocol.read_message(pipe), None)) == messages


@given(st.one_of(MESSAGES), st.data())
def test_a_message_that_was_cut_off_is_none(message: Message, data: st.DataObject) -> None:
    line = protocol.encode(message)
    cut = data.draw(st.integers(0, len(line) - 1))
    assert protocol.read_message(io.BytesIO(line[:cut])) is None


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"no json\n",
        b"\xff\xfe\n",
        b"[1]\n",
        b'"Quit"\n',
        b"null\n",
        b"{}\n",
        b'{"type":"Nonsense"}\n',
        b'{"type":["Quit"]}\n',
        b'{"type":"Quit","more":1}\n',
        b'{"type":"Batch","slot":1}\n',
        b'{"type":"Load","inputs":[{"name":"x"}]}\n',
        b'{"type":"Load","inputs":7}\n',
    ],
)
def test_a_line_that_is_no_message_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a message"):
        protocol.decode(line)


@given(st.binary(max_size=60) | PLAIN.map(lambda value: json.dumps(value).encode()))
def test_any_line_is_a_message_or_a_value_error(line: bytes) -> None:
    try:
        protocol.decode(line)
    except ValueError:
        return


def test_a_tensors_shape_stays_hashable() -> None:
    message = Loaded(1, 2, "1", [Tensor("x", "float32", (-1, 3))], [], None, {})
    decoded = protocol.decode(protocol.encode(message))
    assert isinstance(decoded, Loaded)
    assert hash(decoded.inputs[0]) == hash(Tensor("x", "float32", (-1, 3)))


def test_a_sample_row_is_eight_numbers_of_eight_bytes() -> None:
    assert protocol.SAMPLE_ROW.size == 8 * len(protocol.SAMPLE_FIELDS)
