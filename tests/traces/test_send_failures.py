"""Servers that hang, lie or are too slow, contexts of callers, and clocks that went wrong, on the way to servers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.errors import StoreError
from mlscope.results import Span
from mlscope.traces import parse_tracer, read_spans_only, send
from mlscope.traces._otlp import otlp_messages
from mlscope.traces._zipkin import zipkin_messages
from tests.traces.runs import evaluation, nested, span
from tests.traces.servers import check_zipkin, receiver


@contextmanager
def answering(data: bytes | None) -> Iterator[int]:
    """A port that takes connections and answers with these bytes whatever it is asked, or never at all."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                taken.append(connection)
                if data is not None:
                    connection.recv(1 << 16)
                    connection.sendall(data)
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for each in taken:
                each.close()


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlscope.traces._send._ANSWER_S", 0.2)
    with answering(None) as port, pytest.raises(StoreError, match="the server does not answer in time"):
        send(read_spans_only(evaluation(nested())), parse_tracer(f"http://127.0.0.1:{port}"))
    pytest.importorskip("grpc")
    with answering(None) as port, pytest.raises(StoreError, match=r"the server answers (DEADLINE|UNAVAIL)"):
        send(read_spans_only(evaluation(nested())), parse_tracer(f"grpc://127.0.0.1:{port}"))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the server cannot be reached: "),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the server answers 404 Not Found"),
        (b"", "the server cannot be reached: "),
    ],
)
def test_what_is_no_trace_server_is_one_line(answer: bytes, told: str) -> None:
    with answering(answer) as port, pytest.raises(StoreError, match=told) as caught:
        send(read_spans_only(evaluation(nested())), parse_tracer(f"zipkin://127.0.0.1:{port}"))
    assert len(str(caught.value).splitlines()) == 1


def test_after_the_budget_no_more_is_sent() -> None:
    spans = [span(1, None, "root", (0, 9_000)), *(span(n, 1, "c", (n, n + 1)) for n in range(2, 1_200))]
    with receiver() as server, pytest.raises(StoreError, match="only 0 spans were sent in -1 s"):
        send(read_spans_only(evaluation(spans)), parse_tracer(f"http://127.0.0.1:{server.port}"), budget_s=-1)


def test_zipkin_keeps_the_callers_context_too() -> None:
    trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    root, *others = nested()
    context = {"traceparent": f"00-{trace}-{caller}-01"}
    inside = Span(root.span_id, None, root.name, 1, root.start_ns, root.end_ns, context)
    ((spans, count),) = zipkin_messages(read_spans_only(evaluation([inside, *others])))
    assert count == len(nested())
    assert {each["traceId"] for each in spans} == {trace}
    assert [each["name"] for each in spans if each["parentId"] == caller] == ["predict dataset"]
    assert all("traceparent" not in check_zipkin(each)["tags"] for each in spans)


@st.composite
def odd_spans(draw: st.DrawFn) -> list[Span]:
    """Spans whose clocks ran backwards, whose names are equal and odd, and whose parents may be anybody."""
    count = draw(st.integers(1, 12))
    spans = [span(1, None, draw(st.text(max_size=5)), (0, 1_000))]
    for number in range(2, count + 1):
        times = draw(st.integers(0, 10**12)), draw(st.integers(0, 10**12))
        parent = draw(st.integers(1, count + 2))
        name = draw(st.sampled_from(["conv", "conv", "c\n\x00", "ü"]))
        spans.append(span(number, parent, name, times, draw(st.integers(1, 7)), value=draw(st.floats())))
    return spans


@given(odd_spans())
def test_whatever_was_traced_servers_get_a_tree_whose_times_run_forwards(spans: list[Span]) -> None:
    timeline = read_spans_only(evaluation(spans))
    sent = [each for message, _ in otlp_messages(timeline) for each in message.resource_spans[0].scope_spans[0].spans]
    assert len(sent) == len({each.span_id for each in sent}) == len(spans)
    known = {each.span_id for each in sent}
    assert [each.parent_span_id in known for each in sent].count(False) == 1, "one root"
    assert all(each.start_time_unix_nano <= each.end_time_unix_nano for each in sent)
    for messages, _ in zipkin_messages(timeline):
        for each in json.loads(json.dumps(messages)):
            check_zipkin(each)
