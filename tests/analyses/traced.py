"""Sealed runs that were traced: layers, kernels, spans, counters, with numbers that are known."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlscope.analyses import WORK_FILE, View, run
from mlscope.analyses._table import Row
from mlscope.results import (
    KERNELS_FILE,
    LAYER_SUMMARY_FILE,
    MACHINE_FILE,
    SPANS_FILE,
    Evaluation,
    Kernel,
    LayerSummary,
    RunFolder,
    Span,
    seal_samples,
    write_kernels,
    write_layer_summary,
    write_spans,
)
from mlscope.worker.protocol import FLAG_VALID, FLAG_WARMUP
from tests.analyses.records import record

Write = Callable[[Path], object]
_numbers = itertools.count(1)

EXECUTION = {"threads": 1, "streams": 1, "workers": 1, "device": "cpu", "batch_size": 1}


def sealed(home: Path, *files: Write, execution: dict[str, Any] | None = None, **changes: Any) -> Evaluation:
    """A run with a plan and whatever `files` write into its folder; each is a minute newer than the one before."""
    number = next(_numbers)
    pattern = record(number, **changes)
    folder = RunFolder.create(home / "runs", pattern.id)
    plan = {
        "model": {"weights": [{"role": "graph", "name": "m.onnx", "sha256": "0" * 64}]},
        "framework": {"options": {}},
        "execution": EXECUTION | {"trace_level": pattern.trace_level} | (execution or {}),
    }
    (folder.path / "plan.json").write_text(json.dumps(plan))
    for write in files:
        write(folder.path)
    _, path = folder.seal(pattern)
    return Evaluation.from_folder(path)


def calls(times_us: Sequence[float], rows: int | Sequence[int] = 1, warmup: int = 0) -> Write:
    """Samples of calls that took so long, each with so many inputs; the first ones are warm-up."""

    def write(folder: Path) -> None:
        sizes = [rows] * len(times_us) if isinstance(rows, int) else list(rows)
        begins = np.concatenate(([0], np.cumsum([round(time * 1000) + 500 for time in times_us])))
        raw = [
            (sample, call, call, -1, begins[call], begins[call], begins[call] + round(times_us[call] * 1000),
             FLAG_VALID | (FLAG_WARMUP if call < warmup else 0))
            for call, size in enumerate(sizes)
            for sample in range(size)
        ]  # fmt: skip
        np.array(raw, "<i8").tofile(folder / "raw")
        seal_samples(folder / "raw", {}, folder / "samples.parquet")
        (folder / "raw").unlink()

    return write


def layer(index: int, time_us: float, name: str = "", kind: str = "Conv", **changes: Any) -> LayerSummary:
    """A layer that took so long in every one of ten calls."""
    fields: dict[str, Any] = {
        "index": index, "name": name or f"layer{index}", "type": kind, "depth": 0, "parent": None, "input_shapes": "",
        "output_shapes": f"float[1,{index + 1}]", "nodes": (name or f"layer{index}",), "calls": 10,
        "median_ns": 1e3 * time_us, "trimmed_mean_ns": 1e3 * time_us, "min_ns": round(900 * time_us),
        "max_ns": round(1500 * time_us), "share": time_us / 100, "allocated_bytes": 1024 * (index + 1),
        "synthetic": False, "low_ns": 950 * time_us, "high_ns": 1050 * time_us, "p25_ns": 980 * time_us,
        "p75_ns": 1020 * time_us,
    }  # fmt: skip
    return LayerSummary(**(fields | changes))


def layers(*found: LayerSummary) -> Write:
    """The table of layers."""
    return lambda folder: write_layer_summary(folder / LAYER_SUMMARY_FILE, found)


def kernels(*found: Kernel) -> Write:
    """The table of kernels."""
    return lambda folder: write_kernels(folder / KERNELS_FILE, found)


def spans(*found: Span) -> Write:
    """The trace."""
    return lambda folder: write_spans(folder / SPANS_FILE, found)


def series(*rows: dict[str, Any]) -> Write:
    """The machine's series; each interval takes a quarter of a second."""
    times = [{"start_ns": at * 250_000_000, "end_ns": (at + 1) * 250_000_000} for at in range(len(rows))]
    text = "".join(json.dumps(time | row) + "\n" for time, row in zip(times, rows, strict=True))
    return lambda folder: (folder / MACHINE_FILE).write_text(text)


def work(**nodes: tuple[int, int, dict[str, int], dict[str, int]]) -> Write:
    """What nodes compute and move: operations, bytes of weights, tensors that are read and written."""
    told = [
        {"name": name, "flops": flops, "weight_bytes": weights, "reads": reads, "writes": writes}
        for name, (flops, weights, reads, writes) in nodes.items()
    ]
    text = json.dumps({"batch_size": 1, "nodes": told})
    return lambda folder: (folder / WORK_FILE).write_text(text)


def rows(name: str, *evaluations: Evaluation, **view: Any) -> list[Row]:
    """The rows of an analysis; the newest evaluation comes first, as a store gives them."""
    newest_first = sorted(evaluations, key=lambda each: each.record.created_at, reverse=True)
    return run(name, newest_first, View(**view))[0].rows
