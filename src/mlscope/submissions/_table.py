"""The table of results: the columns of CK-MLPerf's dashboard, official and own results together.

Columns and their meaning: ctuning/ck-mlperf, program dump-submissions-to-dashboard, of 2020. What its columns cannot
hold (rounds after v0.5, benchmarks that it does not know) stands in columns of ours at the end.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from mlscope.analyses import Column, Table
from mlscope.results import LoadGenResult, Record, SubmissionResult
from mlscope.submissions._system import described, whole
from mlscope.submissions._values import canonical_scenario

__all__ = ["COLUMNS", "GROUPS", "ROW", "SCENARIOS", "UNITS", "Row", "results_table", "row_key"]

Row = dict[str, object]

GROUPS = {"IC1": "Image Classification", "IC2": "Image Classification", "OD1": "Object Detection"}
GROUPS |= {"OD2": "Object Detection", "NMT": "Machine Translation"}
"""Groups of benchmarks of v0.5 → their task: MobileNet, ResNet, SSD-MobileNet, SSD-ResNet, GNMT."""

SCENARIOS = {"SingleStream": "SS", "MultiStream": "MS", "Server": "S", "Offline": "O"}

_GROUP_OF = (
    (("ssd-small", "ssd-mobilenet"), "OD1"),
    (("ssd-large", "ssd-resnet", "retinanet", "yolo"), "OD2"),
    (("mobilenet", "efficientnet"), "IC1"),
    (("resnet",), "IC2"),
    (("gnmt",), "NMT"),
)
"""What a benchmark's name begins with → its group."""
_RANKS = {"SingleStream": 90, "MultiStream": 99}
"""Scenario → the percentile that is its result."""
_SIZES = {"mobilenet": "224x224", "resnet": "224x224", "ssd-small": "300x300", "ssd-large": "1200x1200"}
"""Pictures of v0.5's benchmarks."""
_CATEGORIES = {"available": "Available", "preview": "Preview"}
_RESEARCH = "Research Development Other"
_UNOFFICIAL = "Unofficial"
UNITS = {"SS": ("ns", 1e6), "MS": ("samples/query", 1.0), "S": ("samples/s", 1.0), "O": ("samples/s", 1.0)}
"""Scenario → the unit of a record's result, and how many of them are one of the column's (SS: milliseconds)."""

_FIRST = ("ID", "Division", "Category", "Submitter", "System", "Benchmark")
_SHOWN = ("Submitter", "System", "Benchmark", "Scenario", "Validity", "Result", "Unit", "Accuracy")
_FACTS = (
    *("Processor", "Processor #", "Accelerator", "Accelerator #", "Software", "FF_M", "FF_D", "FF_S", "FF_E"),
    *("Details", "Code", "Notes", "Task", "Scenario"),
)
_FIGURES = tuple(f"{kind}_{group}_{short}" for kind in "PA" for group in GROUPS for short in SCENARIOS.values())
_OURS = ("Round", "Kind", "Validity", "Metric", "Result", "Unit", "Accuracy", "Accuracy measure", "Record")

ROW = "row"
"""Where a record of kind ``table`` keeps the row that it came from (in ``effective``)."""

COLUMNS = tuple(
    Column(name, name, shown="always" if name in _SHOWN else "wide" if name in ("Round", "Category") else "data")
    for name in (*_FIRST, *_FACTS, *_FIGURES, *_OURS)
)


def results_table(records: Iterable[Record], extra: Sequence[Row] = ()) -> Table:
    """One row for each performance run, its accuracy beside it.

    Of an official result's runs (v0.5 asked for five of Server) that came to the same figure one row is made.

    Args:
        records: Of every kind; those without LoadGen's result of a performance run only lend their accuracy to runs of
            the same model on the same software and machine.
        extra: Rows of other tables; those of results that `records` hold are left out.
    """
    known = list(records)
    accuracies = _accuracies(known)
    rows = [
        _row(record, record.loadgen, accuracies)
        for record in known
        if record.loadgen and record.loadgen.metric_value is not None
    ]
    official = {row_key(row): row for row in reversed(rows) if row["Kind"] == "official"}
    rows = [row for row in rows if row["Kind"] != "official" or official[row_key(row)] is row]
    here = {row_key(row) for row in rows}
    rows += [{column.name: row.get(column.name) for column in COLUMNS} for row in extra if row_key(row) not in here]
    return Table("results", COLUMNS, rows)


def row_key(row: Row) -> tuple[object, ...]:
    """What tells two results apart, whatever the form that they came in."""
    names = ("Round", "Division", "Submitter", "System", "Benchmark", "Scenario", "Result", "Unit")
    return tuple(row.get(name) for name in names)


def group_of(benchmark: str) -> str | None:
    """The dashboard's group of a benchmark or model; None where it has none."""
    name = benchmark.lower().replace("_", "-")
    return next((group for starts, group in _GROUP_OF if name.startswith(starts)), None)


@dataclasses.dataclass(frozen=True, slots=True)
class _Accuracy:
    value: float
    measure: str


def _accuracy(record: Record) -> _Accuracy | None:
    """The accuracy of a record, in percent where it is a share."""
    if record.accuracy is not None:
        return _Accuracy(round(100 * record.accuracy.top1, 3), "Top-1 %")
    values = record.submission.accuracies if record.submission else {}
    for name, value in values.items():
        return _Accuracy(value, "Top-1 %" if name == "accuracy" else name)
    return None


def _setting(record: Record) -> tuple[str, ...]:
    """What an accuracy run and a performance run of one evaluation have in common."""
    system = record.submission.system if record.submission else record.system.hostname
    return (record.kind, record.model_name, record.framework_name, record.framework_version, system)


def _accuracies(records: Sequence[Record]) -> dict[tuple[str, ...], _Accuracy]:
    found: dict[tuple[str, ...], _Accuracy] = {}
    for record in records:  # the newest comes first
        accuracy = _accuracy(record) if record.kind in ("own", "ck", "rehearsal") else None
        if accuracy is not None:
            found.setdefault(_setting(record), accuracy)
    return found


def _row(record: Record, loadgen: LoadGenResult, accuracies: dict[tuple[str, ...], _Accuracy]) -> Row:
    if record.kind == "table":  # as it came
        return {column.name: record.effective[ROW].get(column.name) for column in COLUMNS} | _names(record)
    place = record.submission or _own_place(record)
    accuracy = _accuracy(record) or accuracies.get(_setting(record))
    metric, value = _counted(record, loadgen)
    row: Row = {column.name: None for column in COLUMNS}
    row |= _facts(record, place)
    row |= {
        "Scenario": place.scenario,
        "Notes": "; ".join(_notes(record, place)) or None,
        "Round": place.round,
        "Validity": loadgen.validity,
        "Metric": metric,
        "Result": value,
        "Unit": loadgen.metric_unit,
        "Accuracy": accuracy.value if accuracy else None,
        "Accuracy measure": accuracy.measure if accuracy else None,
    } | _names(record)
    group, short = group_of(place.benchmark), SCENARIOS.get(canonical_scenario(place.scenario) or "")
    if group and short and value is not None:
        unit, per = UNITS[short]
        if loadgen.metric_unit == unit:
            row[f"P_{group}_{short}"] = value / per
            row[f"A_{group}_{short}"] = accuracy.value if accuracy else None
    if row["Task"] is None and group:
        row["Task"] = GROUPS[group]
    return row


def _counted(record: Record, loadgen: LoadGenResult) -> tuple[str | None, float | None]:
    """Metric and value as MLPerf counts them: of an own run's latencies the estimate that LoadGen's summary holds."""
    rank = _RANKS.get(loadgen.scenario)
    estimate = loadgen.summary.get(f"* Early stopping {rank}.0th percentile estimate", "")
    if record.kind != "official" and loadgen.metric_unit == "ns" and estimate.isdecimal():
        return f"early-stopping estimate of the {rank}th percentile latency", float(estimate)
    return loadgen.metric, loadgen.metric_value


def _names(record: Record) -> Row:
    return {"Kind": record.kind, "Record": record.id}


def _own_place(record: Record) -> SubmissionResult:
    """Where an own run would stand among the submissions."""
    return SubmissionResult(
        round=None,
        division="open",
        submitter="",
        system=record.system.hostname,
        benchmark=record.model_name,
        scenario=record.scenario or "",
    )


def _facts(record: Record, place: SubmissionResult) -> Row:
    details = record.system.details if record.kind == "official" else {}
    system = described(place.system, details)
    status, category = place.availability or "", place.category or ""
    known = status in ("rdi", "research", "rdo")
    accelerators = record.system.gpu_names
    size = _SIZES.get(place.benchmark) if place.round == "v0.5" else None
    return {
        "ID": place.identifier,
        "Division": place.division,
        "Category": _CATEGORIES.get(status, _RESEARCH if known else _UNOFFICIAL),
        "Submitter": place.submitter or None,
        "System": place.system_name or place.system,
        "Benchmark": f"{place.benchmark} ({size})" if size else place.benchmark,
        "Processor": record.system.cpu_name or None,
        "Processor #": _count(details, "host_processors_per_node"),
        "Accelerator": ", ".join(dict.fromkeys(accelerators)) or None,
        "Accelerator #": system.accelerators if details else len(accelerators),
        "Software": system.framework or f"{record.framework_name} {record.framework_version}".strip(),
        "FF_M": " ",
        "FF_D": " ",
        "FF_S": "x" if "datacenter" in category else " ",
        "FF_E": "x" if "edge" in category else " ",
        "Details": place.details,
        "Code": place.code,
    }


def _count(details: dict[str, Any], name: str) -> int | None:
    """How many there are on all nodes; None where it is not told."""
    return whole(details.get("number_of_nodes", 1)) * whole(details[name]) if name in details else None


def _notes(record: Record, place: SubmissionResult) -> list[str]:
    """The submitter's notes, and of MultiStream what the dashboard noted of each run."""
    notes = list(place.notes)
    if place.scenario == "MultiStream" and record.loadgen is not None:
        notes.append(f"Result = {record.loadgen.validity}")
        for latency in record.latency[:1]:
            ranks = {each.percentile: each.value_ns for each in latency.percentiles}
            if 99.0 in ranks:
                notes.append(f"99% per-query latency = {ranks[99.0] / 1e6:.1f} ms")
    return notes
