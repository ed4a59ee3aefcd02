"""Spans on their way to servers: parentage, times and tags survive; a server that fails is one error."""

from __future__ import annotations

import base64
import builtins
import io
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mlscope.errors import StoreError, UsageError
from mlscope.results import Evaluation, Failure, Span
from mlscope.traces import parse_tracer, read_spans_only, send
from tests.traces.runs import RUN, evaluation, nested, span
from tests.traces.servers import Receiver, receiver, tags

BEGIN_NS = 1_000


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as got:
        yield got


def deliver(run: Evaluation, address: str) -> int:
    return send(read_spans_only(run), parse_tracer(address))


def unix_ns(run: Evaluation, time_ns: int) -> int:
    return int(run.record.created_at.timestamp()) * 10**9 + time_ns - BEGIN_NS


def check_otlp(run: Evaluation, spans: list[Any]) -> None:
    """Every span of :func:`nested` arrived with its parent, its times and its tags."""
    wanted = {int(each.span_id, 16): each for each in nested()}
    assert len(spans) == len(wanted)
    by_time = {(each.start_time_unix_nano, each.end_time_unix_nano): each for each in spans}
    got = {number: by_time[unix_ns(run, each.start_ns), unix_ns(run, each.end_ns)] for number, each in wanted.items()}
    assert {bytes(each.trace_id).hex() for each in spans} == {RUN}
    assert len({bytes(each.span_id) for each in spans}) == len(wanted)
    for number, each in wanted.items():
        parent = got[int(each.parent_id, 16)].span_id if each.parent_id else b""
        assert (got[number].name, got[number].parent_span_id) == (each.name, parent)
    assert tags(got[5]) == {
        "trace_level": "FRAMEWORK_TRACE", "index": 0, "type": "Conv", "shape": "[1, 3, 8, 8]", "synthetic": True,
    }  # fmt: skip
    assert tags(got[6])["ratio"] == 0.5


def test_otlp_over_http(server: Receiver) -> None:
    run = evaluation(nested())
    assert deliver(run, f"http://127.0.0.1:{server.port}") == 6
    assert [path for path, _, _ in server.requests] == ["/v1/traces"]
    check_otlp(run, server.otlp_spans)
    group = server.otlp[0].resource_spans[0]
    about = tags(group.resource)
    assert (about["service.name"], about["mlscope.run_id"], about["mlscope.batch_size"]) == ("mlscope", RUN, 1)
    assert group.scope_spans[0].scope.name == "mlscope"


def test_otlp_over_grpc() -> None:
    grpc = pytest.importorskip("grpc")
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages

    got: list[Any] = []

    def take(request: Any, context: Any) -> Any:
        got.extend(request.resource_spans[0].scope_spans[0].spans)
        return messages.ExportTraceServiceResponse()

    handler = grpc.unary_unary_rpc_method_handler(
        take,
        request_deserializer=messages.ExportTraceServiceRequest.FromString,
        response_serializer=messages.ExportTraceServiceResponse.SerializeToString,
    )
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    run = evaluation(nested())
    try:
        assert deliver(run, f"grpc://127.0.0.1:{port}") == 6
    finally:
        server.stop(None).wait()
    check_otlp(run, got)
    with pytest.raises(StoreError, match=rf"grpc://127\.0\.0\.1:{port}: the server answers UNAVAILABLE"):
        deliver(run, f"grpc://127.0.0.1:{port}")


def test_grpc_that_is_not_installed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name == "grpc":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"needs the package grpcio; .*mlscope\[otlp-grpc\]"):
        deliver(evaluation(nested()), "grpc://localhost")


def test_zipkin(server: Receiver) -> None:
    run = evaluation(nested())
    assert deliver(run, f"zipkin://127.0.0.1:{server.port}") == 6
    assert [path for path, _, _ in server.requests] == ["/api/v2/spans"]
    spans = server.zipkin_spans
    by_id = {each["id"]: each for each in spans}
    assert {each["traceId"] for each in spans} == {RUN}
    names = {each["name"]: by_id.get(each.get("parentId", ""), {}).get("name") for each in spans}
    assert names == {
        "predict dataset": None, "predict_step": "predict dataset", "c_predict": "predict_step", "conv1": "c_predict",
    }  # fmt: skip
    first = next(each for each in spans if each["tags"].get("index") == "0")
    assert (first["timestamp"], first["duration"]) == (unix_ns(run, 12_000) // 1000, 18)
    assert first["tags"] == {
        "trace_level": "FRAMEWORK_TRACE", "index": "0", "type": "Conv", "shape": "[1, 3, 8, 8]", "synthetic": "true",
    }  # fmt: skip
    root = next(each for each in spans if "parentId" not in each)
    assert root["tags"]["mlscope.model_name"] == "Digits_CNN"


def test_a_callers_context_makes_the_run_a_child_of_its_span(server: Receiver) -> None:
    trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    root, *others = nested()
    inside = Span(
        root.span_id, None, root.name, 1, root.start_ns, root.end_ns, {"traceparent": f"00-{trace}-{caller}-01"}
    )
    deliver(evaluation([inside, *others]), f"http://127.0.0.1:{server.port}/otlp/")
    assert server.requests[0][0] == "/otlp/v1/traces"
    spans = server.otlp_spans
    assert {bytes(each.trace_id).hex() for each in spans} == {trace}
    assert [each.name for each in spans if bytes(each.parent_span_id).hex() == caller] == ["predict dataset"]
    assert "traceparent" not in tags(spans[0])


def test_ids_are_the_same_each_time(server: Receiver) -> None:
    for _ in range(2):
        deliver(evaluation(nested()), f"127.0.0.1:{server.port}")
    first, second = server.otlp
    assert first == second


def test_many_spans_go_in_messages_of_some_hundreds(server: Receiver) -> None:
    spans = [span(1, None, "root", (1_000, 9_000)), *(span(n, 1, "c", (n, n + 1)) for n in range(1_000, 2_200))]
    assert deliver(evaluation(spans), f"http://127.0.0.1:{server.port}") == 1_201
    assert [len(each.resource_spans[0].scope_spans[0].spans) for each in server.otlp] == [512, 512, 177]


def test_why_a_run_failed_stands_at_its_root(server: Receiver) -> None:
    failure = Failure(kind="WorkerError", message="the worker died", exit_code=8)
    deliver(evaluation(nested(), status="failed", failure=failure), f"http://127.0.0.1:{server.port}")
    failed = [each for each in server.otlp_spans if each.status.code == 2]
    assert [(each.name, each.status.message) for each in failed] == [("predict dataset", "the worker died")]


def test_a_busy_server_is_asked_once_more(server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlscope.traces._send._PAUSE_S", 0.0)
    server.statuses = [503]
    assert deliver(evaluation(nested()), f"http://127.0.0.1:{server.port}") == 6
    server.statuses = [503, 429]
    with pytest.raises(StoreError, match="the server answers 429"):
        deliver(evaluation(nested()), f"http://127.0.0.1:{server.port}")
    assert len(server.requests) == 4


def test_refused_spans_are_counted(server: Receiver) -> None:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 2
    server.body = answer.SerializeToString()
    with pytest.raises(StoreError, match="the server refused 2 of 6 spans"):
        deliver(evaluation(nested()), f"http://127.0.0.1:{server.port}")


def test_passwords_are_used_and_never_shown(server: Receiver) -> None:
    server.statuses = [401]
    with pytest.raises(StoreError) as caught:
        deliver(evaluation(nested()), f"http://me:p%40ss@127.0.0.1:{server.port}/x")
    assert server.requests[0][1]["authorization"] == "Basic bWU6cEBzcw=="
    assert str(caught.value) == f"http://127.0.0.1:{server.port}/x: the server answers 401 Unauthorized"


def test_a_server_that_is_not_there_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match=rf"^http://127\.0\.0\.1:{port}: the server cannot be reached: "):
            deliver(evaluation(nested()), f"http://127.0.0.1:{port}")


def test_files_hold_what_servers_get(server: Receiver) -> None:
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from mlscope.traces import FORMATS

    run = evaluation(nested())
    deliver(run, f"http://127.0.0.1:{server.port}")
    sink = io.BytesIO()
    FORMATS["otlp"].write(read_spans_only(run), sink)
    (line,) = sink.getvalue().splitlines()
    document = json.loads(line)
    for each in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        assert (len(each["traceId"]), len(each["spanId"])) == (32, 16)
        for name in {"traceId", "spanId", "parentSpanId"} & set(each):
            each[name] = base64.b64encode(bytes.fromhex(each[name])).decode()
    assert ParseDict(document, ExportTraceServiceRequest()) == server.otlp[0]
