"""``mlscope rerun``: the same evaluation once more, on the software that its record holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from mlscope._origin import Origin, origin
from mlscope.conductor._bare import is_bare, prepare_bare
from mlscope.conductor._evaluate import evaluate_prepared
from mlscope.conductor._outcome import Observer, Outcome, SilentObserver
from mlscope.conductor._prepare import Prepared, prepare
from mlscope.conductor._run import LOADER_LOCK
from mlscope.errors import StoreError, UsageError
from mlscope.manifests import load_framework
from mlscope.plan import Plan, Request
from mlscope.results import Record, read_predictions, read_record, run_folder
from mlscope.stacks import stack_from_lock
from mlscope.worker.protocol import Tensor

__all__ = ["Rerun", "prepare_again", "rerun", "rerun_folder"]


@dataclasses.dataclass(frozen=True, slots=True)
class Rerun:
    """A repetition beside what it repeats."""

    original: Record
    outcome: Outcome
    identical: bool | None
    """Whether the model's outputs are the same to the byte; None where the evaluation kept none."""
    difference: str | None
    """The first difference, in words."""


def rerun(run_id: str, observer: Observer | None = None, *, offline: bool = False) -> Rerun:
    """Rebuild the stack of a recorded run from its lock and evaluate once more; the new run is a record of its own.

    Args:
        run_id: The run's id, or the unique beginning of it; its folder must be on this machine.
        observer: Hears how it goes.
        offline: Use only what is on this machine.

    Raises:
        StoreError: There is no such run here, or it was recorded before runs could be repeated.
        MlscopeError: Its stack, model or data cannot be had any more.
    """
    hears = observer or SilentObserver()
    folder = run_folder(run_id)
    return rerun_folder(folder, hears, offline=offline)


def rerun_folder(folder: Path, observer: Observer, *, offline: bool = False) -> Rerun:
    """As :func:`rerun`, for a run folder wherever it lies."""
    original = read_record(folder)
    prepared, inputs = prepare_again(folder, observer, offline=offline)
    outcome = evaluate_prepared(prepared, inputs, observer)[0]
    identical, difference = _compare(folder, original, outcome)
    return Rerun(original, outcome, identical, difference)


def prepare_again(
    folder: Path, observer: Observer, *, offline: bool = False, **changes: Any
) -> tuple[Prepared, list[Tensor] | None]:
    """What a recorded run needs, on the software that its record holds.

    Args:
        folder: The sealed run folder.
        observer: Hears how it goes.
        offline: Use only what is on this machine.
        **changes: Fields of the request that shall be different.

    Returns:
        The evaluation, ready to be run, and the inputs of a model without a manifest.

    Raises:
        StoreError: The folder holds no request.
        MlscopeError: The stack, the model or the data cannot be had any more.
    """
    request = _request(folder, offline)
    if request.command == "compare" and "command" not in changes:
        raise UsageError(
            "this run is one side of a comparison side by side, which cannot be repeated alone",
            where=folder.name,
            hint="mlscope compare A B --pairs 20 measures both sides again",
        )
    request = request.model_copy(update=changes)
    plan = Plan.model_validate_json((folder / "plan.json").read_text(encoding="utf-8"))
    framework = load_framework(plan.framework.name).manifest
    lock = (folder / "lock.json").read_text(encoding="utf-8")
    stack = stack_from_lock(lock, framework, offline=offline, progress=observer.stage, warn=observer.warn)
    inputs = None
    if request.load is not None and is_bare(request.model_name):
        prepared, inputs = prepare_bare(request, observer, stack)
    else:
        own = folder / LOADER_LOCK
        loader = own.read_text(encoding="utf-8") if own.is_file() else None
        prepared = prepare(request, observer, stack, loader)
    original = read_record(folder)
    then = Origin(original.mlscope_version, original.mlscope_commit, original.mlscope_dirty)
    if then != origin():
        observer.warn(f"mlscope is not as it was: {then} then, {origin()} now")
    for name in set(_changed(plan, prepared.plan)) - set(changes):
        observer.warn(f"the plan is not the recorded one: {name} has changed")
    return prepared, inputs


def _request(folder: Path, offline: bool) -> Request:
    path = folder / "request.json"
    if not path.is_file():
        raise StoreError("the run holds no request, so it cannot be repeated", where=str(folder))
    request = Request.model_validate_json(path.read_text(encoding="utf-8"))
    changes: dict[str, Any] = {"offline": offline, "repetitions": 1}
    if request.load is not None:
        confs = {f"{name}_conf": folder / "conf" / f"{name}.conf" for name in ("mlperf", "user", "audit")}
        kept = {name: path for name, path in confs.items() if path.is_file()}
        changes["load"] = request.load.model_copy(update=kept)
    return request.model_copy(update=changes)


def _changed(recorded: Plan, now: Plan) -> list[str]:
    """Parts of the plan that are not as they were."""
    before, after = recorded.model_dump(mode="json"), now.model_dump(mode="json")
    return [name for name in before if before[name] != after.get(name)]


def _compare(folder: Path, original: Record, outcome: Outcome) -> tuple[bool | None, str | None]:
    if outcome.folder is None:
        return None, None
    before = {entry.path: entry.sha256 for entry in original.files if entry.path.startswith("outputs-")}
    after = {entry.path: entry.sha256 for entry in outcome.record.files if entry.path.startswith("outputs-")}
    if not before or not after:
        return None, None
    if before == after:
        return True, None
    return False, _first_difference(folder, outcome.folder)


def _first_difference(before: Path, after: Path) -> str:
    """The first sample whose best class differs, else the largest difference of the outputs."""
    old, new = read_predictions(before / "predictions.parquet"), read_predictions(after / "predictions.parquet")
    if len(old["top1"]) != len(new["top1"]):
        return f"{len(old['top1'])} samples were evaluated then, {len(new['top1'])} now"
    rows = np.flatnonzero(old["top1"] != new["top1"])
    if len(rows):
        row = int(rows[0])
        return (
            f"sample {old['sample_index'][row]} ({old['file'][row]}): class {old['top1'][row]} then, "
            f"{new['top1'][row]} now; {len(rows)} of {len(old['top1'])} best classes differ"
        )
    largest, place = 0.0, 0
    for path in sorted(before.glob("outputs-*.npy")):
        one = np.load(path, mmap_mode="r", allow_pickle=False)
        two = np.load(after / path.name, mmap_mode="r", allow_pickle=False)
        for row in range(len(one)):
            gap = float(np.abs(one[row].astype(np.float64) - two[row].astype(np.float64)).max(initial=0.0))
            if gap > largest:
                largest, place = gap, row
    return f"all best classes are the same; outputs differ by at most {largest:.3g} (sample {place})"
