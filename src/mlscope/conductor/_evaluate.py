"""An evaluation from request to sealed, indexed and published record."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Sequence

from mlscope._origin import origin
from mlscope.conductor import _find_peak, _loadtest, _max_qps, _multistream, _predict, _workload
from mlscope.conductor._bare import is_bare, prepare_bare
from mlscope.conductor._choose import split_options
from mlscope.conductor._counters import note_counters
from mlscope.conductor._floor import find_floor
from mlscope.conductor._interrupts import Interrupts
from mlscope.conductor._keep import Keeper
from mlscope.conductor._outcome import Observer, Outcome, SilentObserver
from mlscope.conductor._prepare import Prepared, prepare
from mlscope.conductor._recover import draft_file, recover, write_draft
from mlscope.conductor._run import Run
from mlscope.conductor._tracer import check_tracer, root_span, send_spans
from mlscope.conductor._tune import tune
from mlscope.conductor._watch import wait_until_quiet
from mlscope.errors import Interrupted, MlscopeError, NotQuietError, ResourceError, StoreError, UsageError
from mlscope.plan import Request
from mlscope.results import (
    DataUse,
    Failure,
    Record,
    System,
    Timings,
    measured_span,
    open_store,
    publish,
    write_spans,
)
from mlscope.stacks import describe_machine
from mlscope.worker.protocol import Tensor, TraceLevel

__all__ = ["begin_run", "evaluate", "evaluate_prepared", "finish_run", "prepare_any", "stopped"]


def evaluate(request: Request, observer: Observer | None = None) -> list[Outcome]:
    """Run an evaluation, as often as its repetitions say; each one is a record of its own.

    Args:
        request: What to run.
        observer: Hears how it goes.

    Returns:
        One outcome a repetition. An evaluation that failed or was interrupted on the way is an outcome too: its
        record holds what was measured, ``error`` why it stopped, and no further repetitions were begun.

    Raises:
        MlscopeError: What is wrong before anything was measured; nothing was recorded.
    """
    hears = observer or SilentObserver()
    recover(hears)
    prepared, inputs = prepare_any(request, hears)
    return evaluate_prepared(prepared, inputs, hears)


def prepare_any(request: Request, observer: Observer) -> tuple[Prepared, list[Tensor] | None]:
    """Resolve a request, for a manifest's model or a bare model file; of the latter also the inputs.

    What is left to calibration is measured here.

    Raises:
        MlscopeError: Whatever is wrong with it; nothing was measured yet.
    """
    request = split_options(request)
    check_tracer(request)
    if request.publish:
        _check_address(request)
    if request.tensors is not None and is_bare(request.model_name):
        prepared, inputs = prepare_bare(request, observer)
        return tune(prepared, inputs, observer), inputs
    return tune(prepare(request, observer), None, observer), None


def evaluate_prepared(
    prepared: Prepared,
    inputs: Sequence[Tensor] | None,
    observer: Observer,
    *,
    first: int = 1,
    keeper: Keeper | None = None,
) -> list[Outcome]:
    """Run what was prepared, as often as its request says; as :func:`evaluate` otherwise.

    Args:
        prepared: What to run.
        inputs: The inputs of a model without a manifest.
        observer: Hears how it goes.
        first: Number of the first repetition.
        keeper: Keeps the loaded model for the next call.
    """
    system = System(**describe_machine())
    if prepared.request.require_quiet:
        wait_until_quiet(system, prepared.request.quiet_timeout_s, observer)
    floor = find_floor(prepared, inputs, system, observer)
    outcomes: list[Outcome] = []
    for repetition in range(first, first + prepared.request.repetitions):
        if outcomes and outcomes[-1].interrupted:
            raise KeyboardInterrupt  # it came while the last repetition was put away; there shall be no other
        run = functools.partial(Run, prepared, repetition, system, observer, keeper=keeper, floor=floor)
        outcomes.append(_once(run, inputs, wait=bool(outcomes)))
        if outcomes[-1].error is not None:
            break
    return outcomes


def _check_address(request: Request) -> None:
    """A misspelt address is found before the evaluation, not after it."""
    from mlscope.results import parse_address

    if request.database_address is None:
        raise UsageError("--publish needs a database", hint="give --database-address sqlite:///FILE or postgresql://…")
    parse_address(request.database_address, name=request.database_name, secret=request.secret)


def _once(make: Callable[[Interrupts], Run], inputs: Sequence[Tensor] | None, *, wait: bool) -> Outcome:
    with Interrupts() as interrupts:
        run = make(interrupts)
        begin_run(run)
        outcome = finish_run(run, _measure(run, inputs, wait=wait))
    send_spans(run, outcome)
    return dataclasses.replace(outcome, publish_error=_publish(run, outcome), interrupted=interrupts.waiting)


def _measure(run: Run, inputs: Sequence[Tensor] | None, *, wait: bool) -> MlscopeError | None:
    """Measure (`wait`: once the machine is quiet) and end all processes; returns why it did not complete."""
    request = run.prepared.request
    try:
        if wait and request.require_quiet:
            wait_until_quiet(run.system, request.quiet_timeout_s, run.observer)
        _choose(run)(run, inputs)
    except (KeyboardInterrupt, MlscopeError, OSError) as problem:
        return stopped(problem, run)
    finally:
        run.stop()
    return None


def _choose(run: Run) -> Callable[[Run, Sequence[Tensor] | None], None]:
    """What measures this plan."""
    plan = run.prepared.plan
    if plan.load is not None:
        if plan.load.mode == "FindPeakPerformance":
            return _find_peak.measure
        return _loadtest.measure if plan.load.interval_ms is None else _multistream.measure
    if plan.command == "predict max-qps":
        return _search
    return _predict.measure if plan.workload is None else _workload.measure


def _search(run: Run, inputs: Sequence[Tensor] | None) -> None:
    """The search keeps its draft up to date."""

    def save() -> None:
        write_draft(run.path, _record(run, MlscopeError("the command was killed before it could finish")))

    _max_qps.measure(run, inputs, save)


def _judge(run: Run, error: MlscopeError | None) -> MlscopeError | None:
    """Write the passport; a run that was disturbed although it must not be has failed."""
    run.passport = run.watch.passport(_span_of_samples(run))
    note_counters(run)
    if not run.found.latency:  # accuracy alone: no matter how long it took
        return error
    for clause in run.passport.disturbances:
        run.warn(f"while this was measured, {clause}")
    if error is None and run.prepared.request.require_quiet and run.passport.disturbances:
        clauses = "; ".join(run.passport.disturbances)
        return NotQuietError(f"the run was disturbed: {clauses}", hint="what was measured is kept; run it again")
    return error


def _span_of_samples(run: Run) -> tuple[int, int] | None:
    """When the measured samples began and ended; a disk that filled up may have cut the file of them off."""
    try:
        return measured_span(run.path / "samples.parquet")
    except StoreError:
        return None


def stopped(problem: KeyboardInterrupt | MlscopeError | OSError, run: Run) -> MlscopeError:
    """What the record says of a measurement that came to a sudden end."""
    if isinstance(problem, KeyboardInterrupt):
        return Interrupted("interrupted; what was measured until then is kept")
    if isinstance(problem, OSError):
        return ResourceError(f"the run could not go on: {problem.strerror or problem}", where=str(run.path))
    return problem


def begin_run(run: Run) -> None:
    """Note what is known, so that a run whose command is killed can be sealed by the next one."""
    write_draft(run.path, _record(run, MlscopeError("the command was killed before it could finish")))


def _name_sealed(error: MlscopeError, run: Run) -> None:
    """A message that names the folder of the run under way shall name it as it will be called."""
    for name in ("what", "where", "hint"):
        text = getattr(error, name)
        if text and run.kept:
            text = text.replace(str(run.worker_log), str(run.path / "logs" / "worker.log"))
            setattr(error, name, text.replace(str(run.path), str(run.path.with_name(run.id))))


def finish_run(run: Run, error: MlscopeError | None) -> Outcome:
    """Seal and index a run that was measured, or why it could not be.

    Raises:
        ResourceError: The disk is full; the files stay where they are, and the next command seals them.
    """
    run.observer.stage("record")
    error = _judge(run, error)
    if error is not None:
        _name_sealed(error, run)
    record = _record(run, error)
    found = run.found
    if not run.kept:
        run.discard()
        return Outcome(record, None, error, None, found.loadgen_summary, found.predictions)
    try:
        if run.level > TraceLevel.NO_TRACE:
            write_spans(run.path / "spans.parquet", itertools.chain([root_span(run)], run.spans()))
        write_draft(run.path, record)
        record, folder = run.folder.seal(record)
    except ResourceError as problem:
        kept = "what was measured lies there, and the next evaluation keeps it"
        raise ResourceError(problem.what, where=str(run.path), hint=f"free some space; {kept}") from problem
    try:
        open_store(create=True).put(record, folder, blobs=())
        draft_file(run.path).unlink(missing_ok=True)
    except MlscopeError as problem:  # the next evaluation does it: the draft is still there
        error = error or problem
    return Outcome(record, folder, error, None, found.loadgen_summary, found.predictions)


def _publish(run: Run, outcome: Outcome) -> MlscopeError | None:
    """Publish a sealed run; returns why that was not possible."""
    request, folder = run.prepared.request, outcome.folder
    if not request.publish or folder is None:
        return None
    run.observer.stage("publish")
    try:
        publish(
            folder,
            str(request.database_address),
            name=request.database_name,
            secret=request.secret,
            predictions=request.publish_predictions,
        )
    except MlscopeError as error:
        return error
    except KeyboardInterrupt:
        return Interrupted("publishing was interrupted", hint=f"`mlscope runs publish {run.id}` does it again")
    return None


def _record(run: Run, error: MlscopeError | None) -> Record:
    plan, request, found = run.prepared.plan, run.prepared.request, run.found
    status = "complete" if error is None else "interrupted" if isinstance(error, Interrupted) else "failed"
    return Record(
        id=run.id,
        kind="rehearsal" if request.rehearsal else "own",
        status=status,
        created_at=run.created_at,
        command=plan.command,
        plan_id=plan.plan_id,
        experiment=request.experiment,
        tags=request.tags,
        repetition=run.repetition,
        model_name=plan.model.name,
        model_version=plan.model.version,
        dataset_name=plan.dataset.name if plan.dataset else None,
        framework_name=plan.framework.name,
        framework_version=plan.framework.version,
        batch_size=plan.execution.batch_size,
        using_gpu=plan.execution.device == "gpu",
        trace_level=run.level.name,
        scenario=plan.load.scenario if plan.load else None,
        mode=plan.load.mode if plan.load else None,
        system=run.system,
        lock_sha256=run.prepared.stack.lock_sha256,
        mlscope_version=origin().version,
        mlscope_commit=origin().commit,
        mlscope_dirty=origin().dirty,
        data=_data_use(run.prepared),
        accuracy=found.accuracy,
        latency=found.latency,
        loadgen=found.loadgen,
        workload=found.workload,
        search=found.search,
        timings=Timings(
            total_ns=time.perf_counter_ns() - run.begin_ns,
            load_ns=found.load_ns,
            first_inference_ns=found.first_inference_ns,
            preprocess_mean_ns=found.preprocess_mean_ns,
            inference_ns=found.inference_ns,
            postprocess_ns=found.postprocess_ns,
            wait_share=found.wait_share,
            peak_memory_bytes=found.peak_memory_bytes,
        ),
        effective=found.effective,
        passport=run.passport,
        floor=run.floor,
        failure=_failure(error),
        warnings=tuple(run.warnings),
    )


def _data_use(prepared: Prepared) -> DataUse | None:
    choice, decoder = prepared.plan.dataset, prepared.decoder
    if choice is None or decoder is None:
        return None
    return DataUse(
        layout=choice.layout,
        preprocess=choice.preprocess,
        prepared=choice.prepared,
        libraries=dict(decoder.libraries),
        lock_sha256=decoder.stack.lock_sha256 if decoder.stack else None,
    )


def _failure(error: MlscopeError | None) -> Failure | None:
    return Failure(kind=type(error).__name__, message=str(error), exit_code=error.exit_code) if error else None
