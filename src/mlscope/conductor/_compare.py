"""What `mlscope compare` compares: recorded runs, experiments, and runs that are repeated in turns."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from mlscope.analyses import Side, check_comparable
from mlscope.conductor._bare import is_bare
from mlscope.conductor._evaluate import evaluate_prepared, prepare_any
from mlscope.conductor._outcome import Observer, SilentObserver
from mlscope.conductor._prepare import Prepared
from mlscope.conductor._recover import recover
from mlscope.conductor._rerun import prepare_again
from mlscope.conductor._turns import TurnPlan, Turns, measure_in_turns
from mlscope.errors import StoreError, UsageError
from mlscope.plan import LoadRequest, Request
from mlscope.results import Evaluation, Filter, Store, new_id, open_store, run_folder
from mlscope.worker.protocol import Tensor

__all__ = ["compare_in_turns", "find_side", "repeat_in_turns"]

_ID = re.compile(r"[0-9a-fA-F-]{4,36}")


def find_side(store: Store, name: str) -> Side:
    """The complete runs that a word names: an experiment, or one run by its id or the beginning of it.

    Raises:
        StoreError: There is no such experiment or run, or several ids begin so.
        UsageError: The run did not complete.
    """
    records = store.find(Filter(experiment=name), newest_first=False)
    complete = [record for record in records if record.status == "complete"]
    if complete:
        return Side(name, tuple(Evaluation.from_store(store, record.id) for record in complete))
    if records:
        raise UsageError(f"none of the {len(records)} runs of this experiment is complete", where=name)
    if not _ID.fullmatch(name):
        raise StoreError("there is no experiment of this name", where=name, hint="`mlscope runs list` shows all runs")
    record = store.get(name)
    if record.status != "complete":
        raise UsageError(f"this run was {record.status}", where=record.id, hint="`mlscope rerun` repeats it")
    return Side(name, (Evaluation.from_store(store, record.id),))


def repeat_in_turns(
    first: str, second: str, times: int, observer: Observer | None = None, *, offline: bool = False
) -> tuple[Side, Side]:
    """Repeat two recorded runs on their own software, in turns; every repetition is a record of its own.

    The order within a round alternates (A B, B A, …), so that what changes steadily hits both alike.

    Args:
        first: Id of a run whose folder is on this machine, or the beginning of it, or an experiment's name.
        second: Likewise.
        times: Repetitions of each.
        observer: Hears how it goes.
        offline: Use only what is on this machine.

    Returns:
        The fresh runs of each.

    Raises:
        UsageError: The runs cannot be compared.
        MlscopeError: A run cannot be repeated, or a repetition failed; what was measured is kept.
    """
    hears = observer or SilentObserver()
    recover(hears)
    folders = [_folder(name) for name in (first, second)]
    before = [
        Side(name, (Evaluation.from_folder(folder),)) for name, folder in zip((first, second), folders, strict=True)
    ]
    check_comparable(*before)
    experiment = f"compare-{new_id()[:12]}"
    ready = [prepare_again(folder, hears, offline=offline, experiment=experiment) for folder in folders]
    found: tuple[list[Evaluation], list[Evaluation]] = ([], [])
    for turn in range(times):
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            hears.note(f"repetition {turn + 1} of {times}: {(first, second)[side]}")
            outcome = evaluate_prepared(*ready[side], hears)[0]
            if outcome.error is not None:
                raise outcome.error
            assert outcome.folder is not None
            found[side].append(Evaluation.from_folder(outcome.folder))
    return Side(first, tuple(found[0])), Side(second, tuple(found[1]))


def _folder(name: str) -> Path:
    """The local folder of a run, or of an experiment's first one."""
    side = find_side(open_store(), name)
    check_comparable(side, side)
    return run_folder(side.records[0].id)


def compare_in_turns(
    plans: Sequence[Request | str],
    turns: TurnPlan,
    observer: Observer | None = None,
    *,
    labels: Sequence[str] = (),
    offline: bool = False,
) -> tuple[tuple[Side, Side], Turns]:
    """Measure two plans side by side, in one session.

    Args:
        plans: Two requests, or the ids of two runs (or the beginnings of them) whose plans are meant.
        turns: How.
        observer: Hears how it goes.
        labels: What the sides are called; default: the ids.
        offline: Use only what is on this machine.

    Returns:
        Both sides, and how the measuring went.

    Raises:
        MlscopeError: A plan cannot be measured, or the measuring failed; what was measured is kept.
    """
    hears = observer or SilentObserver()
    recover(hears)
    ready = [_ready(plan, hears, offline) for plan in plans]
    done = measure_in_turns(ready, turns, hears)
    evaluations = []
    for outcome in done.outcomes:
        if outcome.error is not None:
            raise outcome.error
        assert outcome.folder is not None
        evaluations.append(Evaluation.from_folder(outcome.folder))
    names = [label or each.record.id for label, each in zip([*labels, "", ""], evaluations, strict=False)]
    first, second = (Side(name, (each,)) for name, each in zip(names, evaluations, strict=True))
    return (first, second), done


def _ready(plan: Request | str, observer: Observer, offline: bool) -> tuple[Prepared, list[Tensor] | None]:
    """One side, ready to be measured in turns: its plan has no LoadGen test."""
    if isinstance(plan, str):
        prepared, inputs = prepare_again(_folder(plan), observer, offline=offline, command="compare", experiment=None)
    else:
        bare = LoadRequest(random_inputs=True) if is_bare(plan.model_name) else None
        prepared, inputs = prepare_any(plan.model_copy(update={"load": bare}), observer)
    changes = {"command": "compare", "load": None}
    return dataclasses.replace(
        prepared, request=prepared.request.model_copy(update=changes), plan=prepared.plan.model_copy(update=changes)
    ), inputs
