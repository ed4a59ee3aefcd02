"""Hardware: what was counted on the machine over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlscope.analyses._counters import readings_of
from mlscope.analyses._runs import View
from mlscope.analyses._table import Column, Row, Table, build
from mlscope.results import Evaluation

__all__ = ["hardware"]

COLUMNS = (
    Column("counter", "counter"),
    Column("counter_unit", "unit"),
    Column("worker", "worker"),
    Column("readings", "readings"),
    Column("mean", "mean"),
    Column("min", "min"),
    Column("max", "max"),
    Column("first", "first", shown="wide"),
    Column("last", "last", shown="wide"),
    Column("growth", "growth"),
    Column("course", "course"),
    Column("times_ms", "times", shown="data"),
    Column("values", "values", shown="data"),
)


def hardware(evaluations: Sequence[Evaluation], _: View) -> Table:
    """A row for each counter of a run, whatever it counts; memory has a report of its own.

    ``growth`` is that of counters which go on counting. ``course`` draws medians of equally long stretches; ``values``
    are up to 240 readings, ``times_ms`` their times.
    """
    found = [(each, rows) for each in evaluations if (rows := list(_rows(each)))]
    of = {each.record.id: rows for each, rows in found}
    counted = [each for each, _ in found]
    empty = "no counters in these evaluations"
    return build("hardware", COLUMNS, counted, lambda each: of[each.record.id], empty=empty)


def _rows(evaluation: Evaluation) -> Iterable[Row]:
    for each in readings_of(evaluation):
        if not each.of_memory:
            what = {"counter": each.name, "counter_unit": each.unit or None, "worker": each.worker}
            yield what | {"readings": len(each.values)} | each.summary() | each.drawn()
