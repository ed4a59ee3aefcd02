"""What other tools read: every slice once, inside its parent, on one clock."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.errors import StoreError, UsageError
from mlscope.results import Counter, Evaluation, Span
from mlscope.traces import FORMATS, export
from tests.traces.reading import Slice, curves, read_perfetto
from tests.traces.runs import RUN, evaluation, nested, samples, span


def exported(run: Evaluation, form: str) -> bytes:
    sink = io.BytesIO()
    FORMATS[form].write(FORMATS[form].read(run), sink)
    return sink.getvalue()


def perfetto(run: Evaluation) -> dict[str, Slice]:
    return read_perfetto(exported(run, "perfetto"))[0]


@st.composite
def trees(draw: st.DrawFn) -> list[Span]:
    """Spans with children inside them, beside each other or overlapping, also empty ones and equal names."""
    spans = [span(1, None, "root", (0, 1_000))]
    for number in range(2, draw(st.integers(2, 25))):
        parent = draw(st.sampled_from(spans))
        begin = draw(st.integers(parent.start_ns, parent.end_ns))
        end = draw(st.integers(begin, parent.end_ns))
        level = min(parent.level + 1, 7)
        name = draw(st.sampled_from(["conv", "conv", "relu"]))
        spans.append(span(number, int(parent.span_id, 16), name, (begin, end), level, index=number))
    return draw(st.permutations(spans))


@given(trees())
def test_perfetto_and_chrome_hold_every_span_once_and_nested(spans: Sequence[Span]) -> None:
    run = evaluation(spans)
    found = perfetto(run)
    told = {name: each for name, each in found.items() if not name.startswith("gap-")}
    assert {name: (each.name, each.begin_ns, each.end_ns) for name, each in told.items()} == {
        each.span_id: (each.name, each.start_ns, each.end_ns) for each in spans
    }
    for each in found.values():
        parent = each.values.get("parent_id")
        if each.inside is not None:
            assert each.inside == parent, "a slice is drawn inside its parent or nowhere"
        if parent is not None:
            above = found[parent]
            assert above.begin_ns <= each.begin_ns <= each.end_ns <= above.end_ns
    assert chrome(run) == {
        (each.span_id, each.name, each.track, each.begin_ns, each.end_ns - each.begin_ns) for each in found.values()
    }


def chrome(run: Evaluation) -> set[tuple[str, str, int, int, int]]:
    """Span id, name, track as in Perfetto, begin and length of each slice of the Chrome file."""
    document = json.loads(exported(run, "chrome"), parse_float=str)
    return {
        (
            event["args"]["span_id"],
            event["name"],
            event["tid"] + 16,
            int(event["ts"].replace(".", "")),
            int(event["dur"].replace(".", "")),
        )
        for event in document["traceEvents"]
        if event["ph"] == "X"
    }


def test_counters_are_curves_and_what_is_counted_is_a_rate() -> None:
    times = np.array([10_000, 20_000, 40_000], np.int64)
    run = evaluation(
        nested(),
        counters=[
            Counter("instructions", "1", True, 0, times, np.array([5.0, 25.0, 85.0])),
            Counter("own_cores", "cores", False, None, times[:2], np.array([0.5, 1.5])),
        ],
    )
    assert curves(exported(run, "perfetto")) == {
        ("instructions, worker 0, per second", "1/s"): [(20_000, pytest.approx(2e6)), (40_000, pytest.approx(3e6))],
        ("own_cores", "cores"): [(10_000, 0.5), (20_000, 1.5)],
    }
    document = json.loads(exported(run, "chrome"), parse_float=str)
    shown = [each for each in document["traceEvents"] if each["ph"] == "C"]
    assert [(each["name"], each["ts"], {key: float(text) for key, text in each["args"].items()}) for each in shown] == [
        ("instructions, worker 0, per second", "20.000", {"1/s": pytest.approx(2e6)}),
        ("instructions, worker 0, per second", "40.000", {"1/s": pytest.approx(3e6)}),
        ("own_cores", "10.000", {"cores": 0.5}),
        ("own_cores", "20.000", {"cores": 1.5}),
    ]
    assert perfetto(run) == perfetto(evaluation(nested())), "the slices are the same"


def test_layers_lie_inside_their_call_inside_their_step() -> None:
    found, tracks = read_perfetto(exported(evaluation(nested()), "perfetto"))
    call, first, second = (found[f"{number:016x}"] for number in (4, 5, 6))
    assert first.inside == second.inside == call.span_id
    assert call.inside == f"{2:016x}"
    assert tracks[call.track].name == "predict_step"
    assert found[f"{2:016x}"].track != found[f"{3:016x}"].track, "requests that overlap"
    assert first.values["synthetic"] is True
    assert (first.values["index"], first.values["type"], first.values["shape"]) == (0, "Conv", "[1, 3, 8, 8]")
    assert second.values["ratio"] == 0.5
    assert first.values["trace_level"] == "FRAMEWORK_TRACE"


def test_gaps_between_layers_have_a_name_where_they_can_be_seen() -> None:
    """Of calls whose layers were measured; layers may run beside each other, and those inside others do not count."""
    spans = [
        span(1, None, "predict dataset", (0, 100_000)),
        span(2, 1, "predict_step", (0, 90_000)),
        span(3, 2, "c_predict", (10_000, 50_000), 2),
        span(4, 3, "a", (15_000, 30_000), 3),
        span(5, 3, "b", (20_000, 25_000), 3),
        span(6, 4, "part of a", (16_000, 17_000), 3),
        span(7, 3, "c", (30_100, 32_000), 3),
        span(8, 3, "d", (40_000, 50_000), 3),
        span(9, 2, "c_predict", (50_000, 90_000), 2),
        span(10, 9, "laid out", (60_000, 70_000), 3, synthetic=True),
    ]
    found = perfetto(evaluation(spans))
    gaps = {(each.name, each.begin_ns, each.end_ns): each for each in found.values() if "gap" in each.values}
    assert set(gaps) == {("allocation", 10_000, 15_000), ("dispatch", 32_000, 40_000)}, "d ends with the call"
    for each in gaps.values():
        assert (each.inside, each.values["parent_id"]) == (f"{3:016x}", f"{3:016x}")
        assert "trace_level" not in each.values
    assert gaps["dispatch", 32_000, 40_000].values["gap"] == "between layers"
    rows = list(csv.DictReader(io.StringIO(exported(evaluation(spans), "csv").decode())))
    assert [row["source"] for row in rows] == ["span"] * 10 + ["gap"] * 2
    assert len(json.loads(exported(evaluation(spans), "zipkin"))) == 10, "servers get what was traced"


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=8))
def test_a_call_is_its_layers_and_the_gaps_between_them(times: list[tuple[int, int]]) -> None:
    pairs = [(min(pair), max(pair)) for pair in times]
    layers = [span(4 + at, 3, "x", pair, 3) for at, pair in enumerate(pairs)]
    spans = [span(1, None, "run", (0, 1000)), span(2, 1, "step", (0, 1000)), span(3, 2, "c_predict", (0, 1000), 2)]
    found = perfetto(evaluation([*spans, *layers]))
    gaps = [range(each.begin_ns, each.end_ns) for each in found.values() if "gap" in each.values]
    covered = {at for begin, end in pairs for at in range(begin, end)}
    assert not covered & {at for gap in gaps for at in gap}
    assert all(len(gap) > 10 for gap in gaps)
    assert len({at for gap in gaps for at in gap}) == sum(map(len, gaps))
    left, longest = set(range(1000)) - covered - {at for gap in gaps for at in gap}, 0
    for at in range(1000):
        longest = longest + 1 if at in left else 0
        assert longest <= 10, "a hole that can be seen has a name"


def test_requests_begin_when_they_were_due() -> None:
    table = samples([10_000, 40_000], [50_000, 90_000], [5_000, None])
    found = perfetto(evaluation(nested(), table))
    first, second = found["request-0"], found["request-1"]
    assert (first.begin_ns, first.end_ns, first.values["wait_ns"]) == (5_000, 50_000, 5_000)
    assert (second.begin_ns, second.end_ns, second.values["wait_ns"]) == (40_000, 90_000, 0)
    layer = found[f"{5:016x}"]
    assert first.begin_ns <= layer.begin_ns <= layer.end_ns <= first.end_ns


LOADGEN = b"""{"traceEvents":[
{"name":"SampleLoop","ph":"X","pid":7,"tid":7,"ts":1.000,"dur":9.000,"args":{}},
{"name":"IssueQuery","ph":"X","pid":7,"tid":7,"ts":2.000,"dur":8.000,"args":{}},
{"name":"LogDetail","ph":"X","pid":7,"tid":9,"ts":3.000,"dur":0.500,"args":{"key":""sut_name""}},
{"name":"Sample","cat":"default","ph":"b","pid":7,"id":0,"ts":1.5,"args":{"query_seq":0,"complete_ns":8}},
{"name":"IssueQuery","ph":"X","pid":7,"tid":7,"ts":30.000,"dur":8.250,"args":{}},
{"name":"IssueQu"""


def test_loadgens_own_trace_lies_on_the_clock_of_the_samples() -> None:
    """The second call came sooner after its event began, so the event is put where it came."""
    table = samples([10_300, 38_200], [10_400, 38_300])
    found = perfetto(evaluation(nested(), table, LOADGEN))
    issues = sorted((each for each in found.values() if each.name == "IssueQuery"), key=lambda each: each.begin_ns)
    assert [(each.begin_ns, each.end_ns) for each in issues] == [(10_200, 18_200), (38_200, 46_450)]
    loop = next(each for each in found.values() if each.name == "SampleLoop")
    assert issues[0].inside == loop.span_id
    assert next(each for each in found.values() if each.name == "LogDetail").values["key"] == "sut_name"


@pytest.mark.parametrize("issued", [[10_300, 38_200, 50_000], [10_300, 68_200]], ids=["number", "times"])
def test_a_loadgen_trace_that_fits_no_samples_is_left_out_and_said(issued: list[int], tmp_path: Path) -> None:
    run = evaluation(nested(), samples(issued, [each + 100 for each in issued]), LOADGEN)
    written, notes = export(run, "csv", tmp_path / "t.csv")
    assert written == len(nested()) + len(issued)
    assert "LoadGen's trace is left out" in notes[0]


def test_a_loadgen_trace_without_events_is_nothing_to_speak_of(tmp_path: Path) -> None:
    run = evaluation(nested(), samples([10_300], [10_400]), b"")
    assert export(run, "csv", tmp_path / "t.csv") == (len(nested()) + 1, ())


def test_clocks_that_run_backwards_and_parents_that_are_missing_lose_nothing() -> None:
    spans = [
        span(1, None, "root", (0, 100)),
        span(2, 1, "backwards", (60, 50)),
        span(3, 99, "orphan", (10, 20)),
        span(4, 5, "ring", (10, 20)),
        span(5, 4, "ring", (10, 20)),
        span(6, 2, "sticks out", (55, 70)),
    ]
    found = perfetto(evaluation(spans))
    assert len(found) == 6
    assert (found[f"{2:016x}"].begin_ns, found[f"{2:016x}"].end_ns) == (60, 60)
    assert found[f"{3:016x}"].values["parent_id"] == f"{1:016x}"
    assert found[f"{6:016x}"].inside is None


def test_flame_graphs_count_own_time() -> None:
    spans = [
        span(1, None, "root", (0, 10_000_000)),
        span(2, 1, "a;b", (0, 6_000_000)),
        span(3, 2, "c", (0, 2_000_000)),
        span(4, 2, "c", (3_000_000, 4_000_000)),
    ]
    assert exported(evaluation(spans), "flamegraph").decode().splitlines() == [
        "root 4000",
        "root;a,b 3000",
        "root;a,b;c 3000",
    ]


def test_csv_has_a_line_a_slice() -> None:
    rows = list(csv.DictReader(io.StringIO(exported(evaluation(nested(), samples([1], [2])), "csv").decode())))
    assert [row["source"] for row in rows] == ["span"] * 6 + ["request"]
    assert rows[3]["parent_id"] == rows[1]["span_id"]
    assert (rows[3]["start_ns"], rows[3]["duration_ns"], rows[3]["trace_level"]) == ("12000", "36000", "MODEL_TRACE")
    assert json.loads(rows[4]["attributes"])["shape"] == [1, 3, 8, 8]
    assert int(rows[0]["start_unix_ns"]) == int(evaluation(nested()).record.created_at.timestamp()) * 10**9


def test_files_are_kept_unless_they_shall_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "t.json"
    run = evaluation(nested())
    assert export(run, "chrome", path) == (6, ())
    with pytest.raises(UsageError, match="is there already"):
        export(run, "zipkin", path)
    export(run, "zipkin", path, overwrite=True)
    assert len(json.loads(path.read_text())) == 6
    with pytest.raises(UsageError, match="is a folder"):
        export(run, "chrome", tmp_path)


def test_a_run_without_a_trace_is_one_line() -> None:
    run = evaluation(nested())
    bare = Evaluation(run.record.model_copy(update={"files": (), "trace_level": "NO_TRACE"}), run.open)
    with pytest.raises(StoreError, match=f"{RUN}: this run has no trace; runs with --trace-level"):
        exported(bare, "perfetto")
