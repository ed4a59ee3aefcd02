"""Rows of somebody's table of results into this home's runs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from mlscope._home import runs_dir
from mlscope._origin import origin
from mlscope._schema import canonical_digest
from mlscope.results import LoadGenResult, Record, SubmissionResult, System, Timings
from mlscope.submissions._import import Batch, Imported
from mlscope.submissions._official import NOT_DATED
from mlscope.submissions._sources import content_id
from mlscope.submissions._system import split_framework
from mlscope.submissions._table import GROUPS, ROW, SCENARIOS, UNITS, Row
from mlscope.submissions._table_file import read_rows
from mlscope.submissions._values import canonical_scenario

__all__ = ["import_table"]

_SIZE = re.compile(r" \(\d+x\d+\)$")
_AVAILABILITIES = {"Available": "available", "Preview": "preview", "Research Development Other": "rdi"}
_METRICS = {
    "SS": "90th percentile latency",
    "MS": "samples per query",
    "S": "scheduled samples per second",
    "O": "samples per second",
}


def import_table(path: Path, *, warn: Callable[[str], None]) -> Imported:
    """Make a record of kind ``table`` of every row; those that are here already, in whatever form, stay as they are.

    Args:
        path: See :func:`read_rows`.
        warn: Hears one line for each row that is left out.

    Raises:
        DataError: It is no table of results, or a pickle.
        ResourceError: The disk is full or the home cannot be written.
    """
    said: list[str] = []

    def tell(text: str) -> None:
        said.append(text)
        warn(text)

    with Batch(runs_dir()) as batch:
        for index, row in enumerate(read_rows(path, tell), start=1):
            found = _result(row)
            if found is None:
                tell(f"{path}: row {index}: neither Result with a Unit nor a figure of its scenario; left out")
                continue
            own = str(row.get("Record") or "")
            if re.fullmatch(r"[0-9a-f]{32}", own) and batch.has(own):
                continue
            kept = {name: each for name, each in row.items() if name not in ("Kind", "Record") and each is not None}
            content = json.dumps(kept, sort_keys=True).encode()
            identifier = content_id({"row": hashlib.sha256(content).digest()})
            if batch.has(identifier):
                continue
            record = _record(kept, identifier, found)
            batch.add(identifier, lambda _folder, record=record: record)  # type: ignore[misc]
    return Imported(tuple(batch.added), batch.known, len(said))


def _result(row: Row) -> tuple[str, float, str] | None:
    """Metric, value and unit of a row: as it says, or from the column of its scenario."""
    value, unit = row.get("Result"), row.get("Unit")
    if isinstance(value, float) and isinstance(unit, str):
        return str(row.get("Metric") or ""), value, unit
    short = SCENARIOS.get(canonical_scenario(str(row["Scenario"])) or "")
    for group in GROUPS if short else ():
        found = row.get(f"P_{group}_{short}")
        if isinstance(found, float) and short is not None:
            unit, per = UNITS[short]
            return _METRICS[short], round(found * per, 3), unit
    return None


def _accuracy(row: Row) -> dict[str, float]:
    value, measure = row.get("Accuracy"), str(row.get("Accuracy measure") or "")
    if not isinstance(value, float):
        short = SCENARIOS.get(canonical_scenario(str(row["Scenario"])) or "")
        columns = {group: row.get(f"A_{group}_{short}") for group in GROUPS}
        group, value = next(((g, v) for g, v in columns.items() if isinstance(v, float)), ("", None))
        measure = {"OD1": "mAP", "OD2": "mAP", "NMT": "BLEU"}.get(group, "accuracy")
    if not isinstance(value, float):
        return {}
    return {"accuracy" if measure in ("", "Top-1 %") else measure: value}


def _record(row: Row, identifier: str, result: tuple[str, float, str]) -> Record:
    def text(name: str) -> str:
        return str(row.get(name) or "")

    framework, version = split_framework(text("Software"))
    scenario = canonical_scenario(text("Scenario")) or text("Scenario")
    benchmark = _SIZE.sub("", text("Benchmark"))
    accelerators, round_name = row.get("Accelerator #"), text("Round") or None
    notes = tuple(note for note in text("Notes").split("; ") if note)
    mlscope = origin()
    return Record(
        id=identifier,
        kind="table",
        status="complete",
        created_at=NOT_DATED,
        command="results import",
        plan_id=canonical_digest([round_name, text("Submitter"), text("System"), benchmark, scenario])[:16],
        experiment=f"mlperf-{round_name}" if round_name else None,
        tags=tuple(dict.fromkeys(tag for tag in ("table", text("Division"), text("Submitter")) if tag)),
        model_name=benchmark,
        model_version="",
        dataset_name=None,
        framework_name=framework,
        framework_version=version,
        batch_size=0,
        using_gpu=isinstance(accelerators, int) and accelerators > 0,
        trace_level="NO_TRACE",
        scenario=scenario,
        mode="PerformanceOnly",
        system=_system(text("System"), text("Processor"), text("Accelerator")),
        lock_sha256="",
        mlscope_version=mlscope.version,
        mlscope_commit=mlscope.commit,
        mlscope_dirty=mlscope.dirty,
        loadgen=_loadgen(row, scenario, result, notes),
        timings=Timings(total_ns=0),
        effective={ROW: row},
        submission=SubmissionResult(
            round=round_name,
            division=text("Division"),
            submitter=text("Submitter"),
            system=text("System"),
            availability=_AVAILABILITIES.get(text("Category")),
            benchmark=benchmark,
            scenario=scenario,
            accuracies=_accuracy(row),
            identifier=text("ID") or None,
            details=text("Details") or None,
            code=text("Code") or None,
            notes=notes,
        ),
    )


def _system(name: str, processor: str, accelerator: str) -> System:
    return System(
        hostname=name,
        machine_architecture="",
        cpu_name=processor,
        cpu_count=0,
        memory_bytes=0,
        operating_system="",
        kernel="",
        python="",
        gpu_names=(accelerator,) if accelerator else (),
    )


def _loadgen(row: Row, scenario: str, result: tuple[str, float, str], notes: Sequence[str]) -> LoadGenResult:
    metric, value, unit = result
    validity = str(row.get("Validity") or "") or next((note[9:] for note in notes if note.startswith("Result = ")), "")
    return LoadGenResult(
        version="",
        scenario=scenario,
        mode="PerformanceOnly",
        validity="VALID" if validity == "VALID" else "INVALID" if validity == "INVALID" else None,
        metric=metric or None,
        metric_value=value,
        metric_unit=unit,
    )
