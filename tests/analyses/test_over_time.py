"""Spans, memory and counters of a run; and divergences between runs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlscope.analyses import View
from mlscope.analyses import run as analyse
from mlscope.results import COUNTERS_FILE, Counter, Evaluation, Span, write_counters
from tests.analyses.runs import run
from tests.analyses.traced import layer, layers, rows, sealed, series, spans


def test_spans_in_the_order_of_their_begin(home: Path) -> None:
    found = spans(
        Span("2", "1", "c_predict", 2, 1_002_000, 1_009_000, {"batch_index": 0}),
        Span("1", None, "predict dataset", 1, 1_000_000, 1_020_000),
        Span("3", "2", "conv", 3, 1_003_000, 1_001_000, {"op_name": "Conv"}),
    )
    evaluation = sealed(home, found, trace_level="FRAMEWORK_TRACE")
    events = rows("eventflow", evaluation)
    assert [(row["event_id"], row["parent_id"], row["event_name"], row["event_level"]) for row in events] == [
        ("1", None, "predict dataset", "APPLICATION_TRACE"),
        ("2", "1", "c_predict", "MODEL_TRACE"),
        ("3", "2", "conv", "FRAMEWORK_TRACE"),
    ]
    assert [(row["start_us"], row["duration_us"]) for row in events] == [(0, 20), (2, 7), (3, 0)]
    assert [row["metadata"] for row in events] == [None, '{"batch_index": 0}', '{"op_name": "Conv"}']
    assert events[2]["timestamp"] == evaluation.record.created_at + timedelta(microseconds=3)


def test_evaluations_without_a_trace_have_no_events(home: Path) -> None:
    assert rows("eventflow", sealed(home, trace_level="NO_TRACE")) == []


def test_whatever_was_counted_is_shown(home: Path) -> None:
    told: list[dict[str, Any]] = [
        {"own_cores": 1.0, "frequency_khz": None, "top": {"pid": 7}, "sensors": {"energy_joules core": 5.0}},
        {"own_cores": 3.0, "frequency_khz": 2_000_000, "sensors": {"energy_joules core": 7.5}},
    ]  # fmt: skip
    cores, energy, frequency = rows("hardware", sealed(home, series(*told)))
    assert (cores["counter"], cores["counter_unit"], cores["readings"]) == ("own_cores", "cores", 2)
    assert (cores["mean"], cores["min"], cores["max"], cores["first"], cores["last"]) == (2, 1, 3, 1, 3)
    assert (cores["times_ms"], cores["values"], cores["course"]) == ("250 500", "1 3", "▁█")
    assert (energy["counter"], energy["counter_unit"], energy["last"]) == ("energy_joules core", "J", 7.5)
    assert (frequency["readings"], frequency["counter_unit"], frequency["times_ms"]) == (1, "kHz", "500")


def test_counters_of_workers_go_on_counting(home: Path) -> None:
    times, values = np.array([1_000_000, 2_000_000, 5_000_000]), np.array([10.0, 30.0, 70.0])
    counted = [
        Counter("instructions", "1", True, 0, times, values),
        Counter("memory_own_bytes", "bytes", False, None, times[:2] + 1_000_000, values[:2]),
        Counter("own_cores", "cores", False, None, times[:1], values[:1]),
    ]
    told = series({"own_cores": 1.0, "frequency_khz": 5, "sensors": {"memory_own_bytes": 1}})
    run = sealed(home, lambda folder: write_counters(folder / COUNTERS_FILE, counted), told)
    rows_of = {row["counter"]: row for row in rows("hardware", run)}
    assert list(rows_of) == ["instructions", "own_cores", "frequency_khz"]
    row = rows_of["instructions"]
    assert (row["worker"], row["counter_unit"], row["growth"], row["times_ms"]) == (0, None, 60, "0 1 4")
    assert rows_of["own_cores"]["max"] == 10
    (own,) = (row for row in rows("memory", run) if row["memory"] == "memory own")
    assert (own["start_bytes"], own["finish_bytes"], own["readings"], own["times_ms"]) == (10, 30, 2, "1 2")


def test_long_courses_are_thinned_out(home: Path) -> None:
    (row,) = rows("hardware", sealed(home, series(*({"own_cores": float(at)} for at in range(1000)))))
    values = [float(value) for value in str(row["values"]).split()]
    assert (row["readings"], len(values), values[0], values[-1]) == (1000, 240, 0, 999)


def test_a_run_that_nobody_watched_has_no_counters(home: Path) -> None:
    assert rows("hardware", sealed(home), sealed(home, series())) == []


def test_memory_of_the_machine_over_time_and_of_layers(home: Path) -> None:
    told = series({"sensors": {"memory_own_bytes": 100}}, {"sensors": {"memory_own_bytes": 400, "x": 1}})
    evaluation = sealed(home, told, layers(layer(0, 1), layer(1, 1), layer(2, 1, depth=1, parent=0)))
    found = {row["memory"]: row for row in rows("memory", evaluation)}
    assert found["machine total"]["max_bytes"] == 2**33
    own = found["memory own"]
    assert (own["start_bytes"], own["finish_bytes"], own["max_bytes"], own["mean_bytes"]) == (100, 400, 400, 250)
    assert (found["layers allocated"]["max_bytes"], found["largest layer"]["max_bytes"]) == (1024 + 2048, 2048)
    assert [row["counter"] for row in rows("hardware", evaluation)] == ["x"]


def answers(home: Path, *best: int, sharp: float = 0.9, **changes: Any) -> Evaluation:
    outputs = np.full((len(best), 4), (1 - sharp) / 3)
    outputs[np.arange(len(best)), best] = sharp
    return run(home, np.full(8, 1000), predicted=np.array(best), outputs=outputs, **changes)


def test_divergence_against_the_newest_of_the_same_model(home: Path) -> None:
    first = answers(home, 0, 1, 2)
    same = answers(home, 0, 1, 2)
    other = answers(home, 0, 1, 3)
    alone = answers(home, 0, model_name="alone")
    evaluations = [alone, other, same, first]
    table = analyse("divergence", evaluations, View())[0]
    assert [(row["source_id"], row["samples"], row["same_class"], row["verdict"]) for row in table.rows] == [
        (other.record.id, 3, 2, "different"),
        (other.record.id, 3, 2, "different"),
    ]
    table = analyse("divergence", evaluations, View(source=first))[0]
    by_id = {row["id"]: row for row in table.rows}
    equal = by_id[same.record.id]
    assert (equal["verdict"], equal["identical"], equal["jensen_shannon"], equal["correlation"]) == ("same", True, 0, 1)
    differs = by_id[other.record.id]
    assert differs["jensen_shannon"] == pytest.approx(float(str(differs["jensen_shannon_worst"])) / 3)
    assert (differs["jensen_shannon_beyond"], differs["kullback_leibler_beyond"]) == (1, 1)
