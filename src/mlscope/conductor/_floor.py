"""The harness floor: what the same path costs with a model that does nothing, measured once and kept."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlscope._files import write_atomic
from mlscope._home import cache_dir
from mlscope._origin import origin
from mlscope._schema import canonical_digest
from mlscope.conductor import _loadtest, _predict
from mlscope.conductor._interrupts import Interrupts
from mlscope.conductor._outcome import Observer, SilentObserver
from mlscope.conductor._prepare import Prepared
from mlscope.conductor._run import Run
from mlscope.errors import MlscopeError
from mlscope.manifests import OutputSpec
from mlscope.plan import FrameworkChoice, LoadChoice, ModelChoice, Plan
from mlscope.results import Floor, System
from mlscope.worker.protocol import Tensor

__all__ = ["OFF", "find_floor"]

OFF = "MLSCOPE_NO_FLOOR"
"""Environment variable: any value but an empty one means ``--no-floor``."""

_DURATION_MS = 500
_MOST_QUERIES = 50_000
_SERVER_QPS = 1000.0
_OFFLINE_QPS = 50_000.0
_LOAD_SAMPLES = 32
_BATCHES = 100
_MOST_PICTURES = 256
_DISTURBED_FOR = timedelta(hours=1)
"""A floor that was measured on a disturbed machine is used for so long, then measured again."""
_OWN_SETTINGS = ("duration", "query_count", "expected", "target_qps", "target_latency_ns", "sample_count", "seed")
"""Settings whose names hold one of these are about the length, the pace and the order of the user's test."""


def find_floor(prepared: Prepared, inputs: Sequence[Tensor] | None, system: System, observer: Observer) -> Floor | None:
    """The floor of an evaluation, from the cache or else measured now, which takes a second or two.

    Args:
        prepared: The evaluation.
        inputs: The inputs of a model without a manifest.
        system: The machine.
        observer: Hears when it is measured.

    Returns:
        None where it is not wanted, has no meaning (accuracy mode, the null model itself), or cannot be measured; that
        never stops an evaluation. Open loops (workloads, MultiStream of v0.5) have none: they tell their slip instead.
    """
    if not prepared.request.floor or os.environ.get(OFF) or not _has_floor(prepared):
        return None
    empty = _emptied(prepared)
    path = cache_dir() / "floors" / f"{_key(empty, inputs, system)}.json"
    floor = _kept(path)
    if floor is not None:
        return floor
    observer.stage("measure the harness floor")
    try:
        floor = _measured(empty, inputs, system)
        if floor is not None:
            write_atomic(path, floor.model_dump_json(indent=2) + "\n")
    except (MlscopeError, OSError) as error:
        observer.note(f"the harness floor was not measured: {error}")
    return floor


def _has_floor(prepared: Prepared) -> bool:
    plan, dataset = prepared.plan, prepared.dataset
    if plan.framework.predictor == "null" or plan.workload is not None:
        return False
    if plan.load and (plan.load.mode not in ("PerformanceOnly", "SubmissionRun") or plan.load.interval_ms is not None):
        return False
    # Pictures from the web are not fetched twice.
    return plan.load is not None or not (dataset and any("://" in name for name in dataset.files[: prepared.rows]))


def _key(empty: Prepared, inputs: Sequence[Tensor] | None, system: System) -> str:
    """Machine, stack, mlscope, and everything about the way of measuring that the plan holds."""
    tensors = [dataclasses.asdict(tensor) for tensor in inputs or ()]
    if empty.manifest is not None:
        # How pictures become tensors matters only where that is done while it is timed.
        matters = {"element_type", "shape"} if empty.plan.load else None
        tensors = [spec.model_dump(mode="json", include=matters) for spec in empty.manifest.inputs]
    return canonical_digest(
        {
            "machine": [system.hostname, system.cpu_name, system.cpu_count, system.kernel],
            "lock": empty.stack.lock_sha256,
            "mlscope": origin().version,
            "plan": empty.plan.plan_id,
            "inputs": tensors,
        }
    )[:32]


def _kept(path: Path) -> Floor | None:
    """What was measured before; None where nothing was, or on a machine that was disturbed some time ago."""
    try:
        floor = Floor.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    age = datetime.now(UTC) - datetime.fromisoformat(floor.measured_at)
    return None if floor.disturbances and age > _DISTURBED_FOR else floor


def _emptied(prepared: Prepared) -> Prepared:
    """The same evaluation, short, of the null model, without a record."""
    plan = prepared.plan
    load = _short(plan.load) if plan.load else None
    same: dict[str, Any] = {"worker_prefix": "", "fail_on_error": False, "seed": 0, "threads": 1}
    if load is not None:
        same |= {"loader_processes": 1, "overlap": True}
    execution = plan.execution.model_copy(update=same)
    dataset = None
    if load is None and plan.dataset is not None:
        rows = min(plan.dataset.count, _MOST_PICTURES, _BATCHES * execution.batch_size)
        dataset = plan.dataset.model_copy(update={"count": rows})
    nothing = ModelChoice(name="null", version="1", manifest={}, manifest_sha256="", weights=())
    manifest = prepared.manifest
    return dataclasses.replace(
        prepared,
        request=prepared.request.model_copy(update={"record": False, "worker_prefix": ""}),
        plan=Plan(
            command=plan.command,
            model=nothing,
            framework=FrameworkChoice(name="null", predictor="null", version="1", constraint="*"),
            dataset=dataset,
            execution=execution,
            load=load,
            stack_kind=plan.stack_kind,
        ),
        weights={},
        manifest=manifest.model_copy(update={"outputs": (OutputSpec(),)}) if manifest else None,
        dataset=prepared.dataset if load is None else None,
        labels=(),
    )


def _short(load: LoadChoice) -> LoadChoice:
    settings: dict[str, Any] = {
        name: value for name, value in load.settings.items() if not any(part in name for part in _OWN_SETTINGS)
    }
    settings |= {"min_duration_ms": _DURATION_MS, "max_duration_ms": 4 * _DURATION_MS, "min_query_count": 1}
    if load.scenario == "Offline":  # LoadGen makes one query of this many samples a second
        settings["offline_expected_qps"] = _OFFLINE_QPS
    else:
        settings["max_query_count"] = _MOST_QUERIES
    if load.scenario == "Server":
        settings["server_target_qps"] = _SERVER_QPS
    count = min(load.sample_count, _LOAD_SAMPLES)
    kept = {"settings": settings, "sample_count": count, "performance_count": count, "mode": "PerformanceOnly"}
    return load.model_copy(
        update={**kept, "model_key": "null", "mlperf_conf": None, "user_conf": None, "audit_conf": None}
    )


def _measured(empty: Prepared, inputs: Sequence[Tensor] | None, system: System) -> Floor | None:
    with Interrupts() as interrupts:
        run = Run(empty, 1, system, SilentObserver(), interrupts)
        try:
            if empty.plan.load is not None:
                _loadtest.measure(run, inputs)
            else:
                _predict.measure(run)
            run.watch.stop()
            disturbances = run.watch.passport((0, 1 << 63)).disturbances
        finally:
            run.stop()
            run.discard()
    if interrupts.waiting:
        raise KeyboardInterrupt
    if not run.found.latency:
        return None
    result = run.found.latency[0]
    ranks = {each.percentile: each.value_ns for each in result.percentiles}
    return Floor(
        of=result.of,
        count=result.count,
        p50_ns=ranks[50],
        p99_ns=ranks[99],
        throughput_samples_per_s=result.throughput_samples_per_s,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        how=_how(empty.plan),
        disturbances=disturbances,
    )


def _how(plan: Plan) -> str:
    batch = f"batch size {plan.execution.batch_size}"
    if plan.load is None:
        return f"{plan.command} with the null model, {batch}, {plan.dataset.count if plan.dataset else 0} samples"
    rate = f" at {_SERVER_QPS:g} queries/s" if plan.load.scenario == "Server" else ""
    return f"{plan.load.scenario}{rate} with the null model, {batch}, {_DURATION_MS / 1000:g} s"
