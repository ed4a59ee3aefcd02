"""Traces of real runs, on their way to other tools."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.e2e import running
from tests.traces.reading import read_perfetto
from tests.traces.servers import receiver, tags

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SMALL = ("-b", "8", "--num-file-parts", "4", "--trace-level", "MODEL_TRACE")


def test_spans_are_sent_after_the_run_and_the_password_is_kept_nowhere(cli: Cli, home: Path) -> None:
    with receiver() as server:
        done = cli(
            *("predict", "dataset", *SMALL, "--tracer-address", f"http://me:pass-word@127.0.0.1:{server.port}"),
            env={"TRACEPARENT": f"00-{TRACE}-{CALLER}-01"},
        )
    assert done.code == 0, done.err
    assert "warning" not in done.err
    spans = server.otlp_spans
    assert {bytes(each.trace_id).hex() for each in spans} == {TRACE}
    ids = {bytes(each.span_id) for each in spans}
    (root,) = (each for each in spans if bytes(each.parent_span_id) not in ids)
    assert (root.name, bytes(root.parent_span_id).hex()) == ("predict dataset", CALLER)
    calls = [each for each in spans if each.name == "c_predict"]
    assert sorted(tags(each)["batch_index"] for each in calls) == [0, 1, 2, 3]
    run = running.only(home)
    files = [path for path in home.rglob("*") if path.is_file()]
    assert not [path for path in files if b"pass-word" in path.read_bytes()]
    assert len(spans) == run.spans().num_rows


def test_a_dead_server_is_one_warning_and_the_spans_are_sent_later(cli: Cli, home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = cli("predict", "dataset", *SMALL, "--tracer-address", address, "-v")
    assert done.code == 0, done.err
    (warning,) = (line for line in done.err.splitlines() if "warning" in line)
    run = running.only(home)
    assert f"mlscope trace send {run.record.id[:16]} --tracer-address http://{address}" in warning
    assert f"--tracer-address is read as http://{address}" in done.err
    with receiver() as server:
        later = cli("trace", "send", run.record.id[:16], "--tracer-address", f"zipkin://127.0.0.1:{server.port}")
        assert later.code == 0, later.err
        assert len(server.zipkin_spans) == run.spans().num_rows
        assert {each["traceId"] for each in server.zipkin_spans} == {run.record.id}
    refused = cli("trace", "send", run.record.id[:16], "--tracer-address", address)
    assert (refused.code, len(refused.err.splitlines())) == (9, 1)


def test_published_runs_are_exported_from_the_database(cli: Cli, home: Path, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/shared.db"
    done = cli("predict", "dataset", *SMALL, "--publish", "--database-address", address)
    assert done.code == 0, done.err
    run = running.only(home)
    assert cli("runs", "rm", run.record.id, "--yes").code == 0
    out = cli("trace", "export", run.record.id[:16], "--database-address", address, cwd=tmp_path)
    assert out.code == 0, out.err
    found, _ = read_perfetto((tmp_path / f"{run.record.id[:16]}.pftrace").read_bytes())
    steps = {each.values["batch_index"]: each for each in found.values() if each.name == "predict_step"}
    calls = {each.values["batch_index"]: each for each in found.values() if each.name == "c_predict"}
    assert set(calls) == set(steps) == {0, 1, 2, 3}
    requests = [each for each in found.values() if each.span_id.startswith("request-")]
    for number, call in calls.items():
        around = [steps[number], *(each for each in requests if each.values["batch"] == number)]
        assert len(around) > 1
        assert all(each.begin_ns <= call.begin_ns <= call.end_ns <= each.end_ns for each in around)


def test_loadgens_trace_and_ours_tell_the_same_story(cli: Cli, home: Path, tmp_path: Path) -> None:
    pytest.importorskip("mlperf_loadgen")
    done = cli(
        *("benchmark", "--scenario", "Server", "--target-qps", "200", "--count-override", "40"),
        *("--min-duration", "100ms", "--trace-level", "MODEL_TRACE"),
    )
    assert done.code == 0, done.err
    run = running.only(home)
    assert cli("trace", "chrome", run.record.id[:16], "-o", tmp_path / "t.json").code == 0
    events = [each for each in json.loads((tmp_path / "t.json").read_text())["traceEvents"] if each["ph"] == "X"]
    by_name: dict[str, list[tuple[float, float]]] = {}
    for each in events:
        by_name.setdefault(each["name"], []).append((each["ts"], each["ts"] + each["dur"]))
    issued = sorted(by_name["IssueQuery"])
    answered = sorted(end for _, end in by_name["QuerySamplesComplete"])
    calls = sorted(call for call in by_name["c_predict"] if call[0] > issued[0][0])  # no warm-up
    assert len(issued) == len(calls) == len(answered) == 40
    for (issue, _), (begin, end), answer in zip(issued, calls, answered, strict=True):
        assert issue - 50 <= begin <= end <= answer + 50  # microseconds
