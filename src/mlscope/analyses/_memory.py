"""Memory: the machine's and the workers' over time, and what the layers allocate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlscope.analyses._counters import Readings, readings_of
from mlscope.analyses._layer_runs import layers_of
from mlscope.analyses._runs import Runs, View
from mlscope.analyses._table import Column, Row, Table, build
from mlscope.results import Evaluation

__all__ = ["memory"]

COLUMNS = (
    Column("memory", "memory"),
    Column("max_bytes", "largest", "B"),
    Column("start_bytes", "start", "B"),
    Column("finish_bytes", "finish", "B"),
    Column("mean_bytes", "mean", "B"),
    Column("min_bytes", "smallest", "B"),
    Column("readings", "readings"),
    Column("course", "course"),
    Column("times_ms", "times", shown="data"),
    Column("values_bytes", "values", shown="data"),
)


def memory(evaluations: Sequence[Evaluation], _: View) -> Table:
    """A row for each kind of memory that an evaluation tells of.

    ``machine total``; ``worker peak`` (resident); every counter of memory over time; and of evaluations that were
    traced to their layers ``layers allocated`` (by all of them) and ``largest layer``.
    """
    return build("memory", COLUMNS, evaluations, _rows)


def _rows(evaluation: Evaluation) -> Iterable[Row]:
    record = evaluation.record
    yield {"memory": "machine total", "max_bytes": record.system.memory_bytes}
    if record.timings.peak_memory_bytes is not None:
        yield {"memory": "worker peak", "max_bytes": record.timings.peak_memory_bytes}
    for each in readings_of(evaluation):
        if each.of_memory:
            yield _over_time(each)
    layers, _ = layers_of(Runs((evaluation,)))
    told = [layer.allocated_bytes for layer in layers if layer.parent is None and layer.allocated_bytes is not None]
    if told:
        yield {"memory": "layers allocated", "max_bytes": sum(told)}
        yield {"memory": "largest layer", "max_bytes": max(told)}


def _over_time(each: Readings) -> Row:
    drawn = each.drawn()
    whose = f" of worker {each.worker}" if each.worker is not None else ""
    return {
        "memory": each.name.removesuffix("_bytes").replace("_", " ") + whose,
        "max_bytes": round(each.values.max()),
        "start_bytes": round(each.values[0]),
        "finish_bytes": round(each.values[-1]),
        "mean_bytes": round(each.values.mean()),
        "min_bytes": round(each.values.min()),
        "readings": len(each.values),
        "course": drawn["course"],
        "times_ms": drawn["times_ms"],
        "values_bytes": drawn["values"],
    }
