"""One repetition under way: its folder, its processes, what it has found so far."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlscope._files import explain_os_errors, write_atomic
from mlscope._home import runs_dir
from mlscope._schema import canonical_digest
from mlscope.conductor._interrupts import Interrupts
from mlscope.conductor._keep import Keeper
from mlscope.conductor._layers import profile_folder
from mlscope.conductor._outcome import Observer, Prediction
from mlscope.conductor._prepare import Prepared
from mlscope.conductor._start import load_command, open_worker
from mlscope.conductor._watch import Watch
from mlscope.conductor._worker import Worker
from mlscope.loader import LoaderPool
from mlscope.plan import Request
from mlscope.results import (
    AccuracyResult,
    Floor,
    LatencyResult,
    LoadGenResult,
    Passport,
    RunFolder,
    SearchResult,
    Span,
    System,
    WorkloadResult,
    new_id,
)
from mlscope.worker.protocol import Load, Loaded, Tensor, TraceLevel

if TYPE_CHECKING:
    import numpy as np

    Times = np.ndarray[Any, Any]

__all__ = ["LOADER_LOCK", "Found", "Run", "mean_ns", "scratch_folder"]

LOADER_LOCK = "loader-lock.json"
_SHM = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it


def scratch_folder(run_id: str) -> Path:
    """Where a run has what it needs only while it measures, if there is a file system in memory."""
    return _SHM / f"mlscope-{run_id}"


@dataclasses.dataclass(slots=True)
class Found:
    """What was found so far; whatever is still None was not reached."""

    accuracy: AccuracyResult | None = None
    latency: tuple[LatencyResult, ...] = ()
    loadgen: LoadGenResult | None = None
    loadgen_summary: str | None = None
    workload: WorkloadResult | None = None
    search: SearchResult | None = None
    output: int = 0
    """Which of the model's outputs is read."""
    predictions: tuple[Prediction, ...] = ()
    load_ns: int | None = None
    first_inference_ns: int | None = None
    preprocess_mean_ns: float | None = None
    inference_ns: int | None = None
    postprocess_ns: int | None = None
    wait_share: float | None = None
    peak_memory_bytes: int | None = None
    effective: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class _Many:
    """Spans that were noted together; see :meth:`Run.span_each`."""

    name: str | Sequence[str]
    times_ns: Times
    parent: int | Times
    attributes: Sequence[Mapping[str, Any]]
    numbers: Mapping[str, Times]


class Run:
    """A run folder being filled.

    Attributes:
        prepared: What is run.
        interrupts: Ctrl-C and SIGTERM.
        path: The folder.
        found: What was found so far.
        warnings: What every reader of the record must know.
        floor: What the harness itself costs.
        watch: Watches the machine until measuring ends.
        passport: How quiet the machine was; None while it is watched.
        tells_layers: Whether the framework has a profiler, as far as it was asked.
    """

    def __init__(
        self,
        prepared: Prepared,
        repetition: int,
        system: System,
        observer: Observer,
        interrupts: Interrupts,
        *,
        keeper: Keeper | None = None,
        floor: Floor | None = None,
    ) -> None:
        self.prepared = prepared
        self.interrupts = interrupts
        self.repetition = repetition
        self.system = system
        self.observer = observer
        self.found = Found()
        self.warnings: list[str] = []
        self.floor = floor
        self.passport: Passport | None = None
        self.tells_layers = True
        self.next_span = 2
        """Number that the next span will have; the root is 1."""
        self._spans: list[tuple[int, TraceLevel, _Many]] = []
        self._lowered = TraceLevel.FULL_TRACE
        self.created_at = datetime.now(UTC)
        self.begin_ns = time.perf_counter_ns()
        self.id = new_id()
        self._kept = prepared.request.record
        self._temporary = None if self._kept else Path(tempfile.mkdtemp(prefix="mlscope-"))
        self.folder = RunFolder.create(self._temporary or runs_dir(), self.id)
        self.path = self.folder.path
        self.scratch = self._make_scratch()
        self.workers: list[Worker] = []
        alone = prepared.plan.execution.workers > 1 or prepared.own_process or self.level >= TraceLevel.FRAMEWORK_TRACE
        self._keeper = None if alone else keeper
        self._key = ""
        self._log_begin = 0
        self.pool: LoaderPool | None = None
        self._write_inputs()
        others, sensors = prepared.plan.stack_kind != "container", self.level >= TraceLevel.HARDWARE_TRACE
        self.watch = Watch(self.path, system, others=others, sensors=sensors)

    @property
    def kept(self) -> bool:
        """Whether the folder will stay."""
        return self._kept

    @property
    def level(self) -> TraceLevel:
        """Trace level of the run: the plan's, or what the framework could give of it."""
        return min(TraceLevel[self.prepared.plan.execution.trace_level], self._lowered)

    def _make_scratch(self) -> Path:
        """A folder for what is needed only while measuring, in memory where there is such a file system."""
        if _SHM.is_dir() and shutil.disk_usage(_SHM).free > 1 << 28:
            scratch = scratch_folder(self.id)
        else:
            scratch = self.path / "scratch"
        with explain_os_errors(scratch):
            scratch.mkdir()
        return scratch

    def scratch_file(self, name: str, size: int) -> Path:
        """A file of `size` zero bytes: in memory while it takes less than half of what is free there."""
        folder = self.scratch
        if shutil.disk_usage(folder).free < 2 * size:
            folder = self.path / "scratch"
        path = folder / name
        with explain_os_errors(path):
            folder.mkdir(exist_ok=True)
            with path.open("wb") as file:
                file.truncate(size)
        return path

    def _write_inputs(self) -> None:
        prepared = self.prepared
        with explain_os_errors(self.path):
            (self.path / "logs").mkdir()
            write_atomic(self.path / "plan.json", prepared.plan.model_dump_json(indent=2) + "\n")
            write_atomic(self.path / "request.json", _repeatable(prepared.request) + "\n")
            write_atomic(self.path / "system.json", self.system.model_dump_json(indent=2) + "\n")
            write_atomic(self.path / "lock.json", json.dumps(prepared.stack.lock(), indent=2) + "\n")
            if prepared.decoder is not None and prepared.decoder.stack is not None:
                lock = json.dumps(prepared.decoder.stack.lock(), indent=2) + "\n"
                write_atomic(self.path / LOADER_LOCK, lock)
            if prepared.calibration is not None:
                write_atomic(self.path / "calibration.json", json.dumps(prepared.calibration, indent=2) + "\n")
            load = prepared.plan.load
            confs = {"mlperf": load.mlperf_conf, "user": load.user_conf, "audit": load.audit_conf} if load else {}
            for name, text in confs.items():
                if text is not None:
                    write_atomic(self.path / "conf" / f"{name}.conf", text)

    def warn(self, text: str) -> None:
        """Tell the user now and the record's readers later."""
        if text not in self.warnings:
            self.warnings.append(text)
            self.observer.warn(text)

    def start_worker(self, inputs: list[Tensor]) -> tuple[Worker, Loaded]:
        """Start one more worker and load the model in it.

        Raises:
            MlscopeError: The worker, the framework or the model will not.
        """
        order = load_command(self.prepared, inputs)
        if self.level >= TraceLevel.FRAMEWORK_TRACE:
            folder = self.path / profile_folder(len(self.workers))
            with explain_os_errors(folder):
                folder.mkdir(parents=True)
            order = dataclasses.replace(order, profile=str(folder), level=int(self.level))
        worker, loaded = self._kept_worker(order) or self._new_worker(order)
        self.workers.append(worker)
        if not self.found.effective:
            self.found.effective = {**loaded.effective, "python": worker.python, "numpy": worker.numpy}
        for warning in loaded.warnings:
            self.warn(warning)
        if order.profile and loaded.profiler is None:
            self._lower()
        return worker, loaded

    def _lower(self) -> None:
        """The framework has no profiler: there are no layers, though there may be what lies below them."""
        framework = self.prepared.plan.framework
        text = f"{framework.name} {framework.version} gives no profile of its layers: "
        asked, self.tells_layers = self.level, False
        if asked > TraceLevel.FRAMEWORK_TRACE:
            self.warn(f"{text}{asked.name} is recorded without them")
            return
        self._lowered = TraceLevel.MODEL_TRACE
        self.warn(f"{text}{asked.name} is recorded as {self._lowered.name}")
        shutil.rmtree(self.path / "profile", ignore_errors=True)

    @property
    def worker_log(self) -> Path:
        """Where the worker under way writes its log."""
        return self._keeper.log if self._keeper else self.path / "logs" / "worker.log"

    def _kept_worker(self, order: Load) -> tuple[Worker, Loaded] | None:
        """The worker of the run before, if it has the same model loaded in the same way."""
        if self._keeper is None:
            return None
        stack, request = self.prepared.stack, self.prepared.request
        self._key = canonical_digest(
            [str(stack.python), stack.lock_sha256, dataclasses.asdict(order), request.worker_prefix, request.env]
        )
        kept = self._keeper.take(self._key)
        self._log_begin = self._keeper.log_size()
        return kept

    def _new_worker(self, order: Load) -> tuple[Worker, Loaded]:
        begin = time.perf_counter_ns()
        worker = open_worker(
            self.prepared, self._keeper.folder if self._keeper else self.path, self.worker_log, [self.scratch]
        )
        self.workers.append(worker)
        loaded = worker.load(order)
        self.workers.remove(worker)
        self.span("load_predictor", TraceLevel.APPLICATION_TRACE, begin, time.perf_counter_ns())
        if self.found.load_ns is None:
            self.found.load_ns = loaded.load_ns
            self.found.first_inference_ns = loaded.first_ns
        return worker, loaded

    def release(self, worker: Worker, loaded: Loaded) -> None:
        """The worker has done its work: it ends, or is kept for the next run; its peak memory is noted."""
        if self._keeper is None:
            worker.quit()
        else:
            worker.note_memory()
            self.workers.remove(worker)
            self._keeper.give(self._key, worker, loaded)
        self.found.peak_memory_bytes = max(self.found.peak_memory_bytes or 0, worker.peak_rss_bytes or 0) or None

    def span(
        self, name: str, level: TraceLevel, begin_ns: int, end_ns: int, *, parent: int | None = None, **attributes: Any
    ) -> int | None:
        """Note a span, if the level is traced; returns its number. Without a parent it is a child of the root."""
        numbers = self.span_each(
            [name],
            level,
            _one(begin_ns, end_ns),
            parent=parent,
            attributes=[attributes],
        )
        return None if numbers is None else self.next_span - 1

    def span_each(
        self,
        name: str | Sequence[str],
        level: TraceLevel,
        times_ns: Times,
        *,
        parent: int | Times | None = None,
        attributes: Sequence[Mapping[str, Any]] = (),
        **numbers: Times,
    ) -> Times | None:
        """Note one span a row; they become objects only while they are written, since there may be millions.

        Args:
            name: Of all of them, or of each.
            level: Of all of them.
            times_ns: Begin and end, shape [n, 2], int64.
            parent: Number of the span that they are part of, or of each, shape [n]; None: the root.
            attributes: Of each.
            **numbers: Attribute of each, shape [n], whole numbers.

        Returns:
            Their numbers, shape [n]; None where the level is not traced.
        """
        if level > self.level:
            return None
        first = self.next_span
        self.next_span += len(times_ns)
        self._spans.append((first, level, _Many(name, times_ns, 1 if parent is None else parent, attributes, numbers)))
        return _numbers(first, self.next_span)

    def spans(self) -> Iterator[Span]:
        """Every span that was noted, numbered from 2: the root is 1."""
        for first, level, many in self._spans:
            if level > self.level:
                continue
            for row in range(len(many.times_ns)):
                values = dict(many.attributes[row]) if many.attributes else {}
                values |= {key: int(column[row]) for key, column in many.numbers.items()}
                parent = many.parent if isinstance(many.parent, int) else int(many.parent[row])
                name = many.name if isinstance(many.name, str) else many.name[row]
                begin, end = int(many.times_ns[row, 0]), int(many.times_ns[row, 1])
                yield Span(f"{first + row:016x}", f"{parent:016x}", name, int(level), begin, end, values)

    def stop_measuring(self) -> None:
        """End the workers that are still running; from here on what was measured is put away undisturbed."""
        self.interrupts.hold()
        self.watch.stop()
        for worker in self.workers:
            if worker.channel.process.poll() is None:
                worker.kill()

    def stop(self) -> None:
        """End what is still running and remove the scratch files."""
        self.stop_measuring()
        if self.pool is not None:
            self.pool.close()
        if self._keeper is not None:
            self._keeper.copy_log(self._log_begin, self.path / "logs" / "worker.log")
        shutil.rmtree(self.scratch, ignore_errors=True)
        shutil.rmtree(self.path / "scratch", ignore_errors=True)

    def discard(self) -> None:
        """Delete everything (``--no-record``)."""
        self.folder.discard()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)


def _repeatable(request: Request) -> str:
    """The request without addresses and secrets, its paths made absolute, for ``mlscope rerun``."""
    changes: dict[str, Any] = {
        name: path.absolute() for name in ("weights", "dataset_path") if (path := getattr(request, name)) is not None
    }
    for name in ("model_name", "dataset_name"):
        if (text := getattr(request, name)) is not None and Path(text).is_file():
            changes[name] = str(Path(text).absolute())
    if request.workload is not None and request.workload.trace is not None:
        trace = request.workload.trace.absolute()
        changes["workload"] = request.workload.model_copy(update={"trace": trace})
    addresses = {"database_address", "database_name", "tracer_address"}
    hidden = {"secret", "publish", "publish_predictions", "offline", *addresses}
    return request.model_copy(update=changes).model_dump_json(indent=2, exclude=hidden)


def _one(begin_ns: int, end_ns: int) -> Times:
    import numpy as np

    return np.array([[begin_ns, end_ns]], np.int64)


def _numbers(first: int, end: int) -> Times:
    import numpy as np

    return np.arange(first, end)


def mean_ns(values: np.ndarray[Any, Any]) -> float | None:
    """Mean, or None of nothing."""
    return float(values.mean()) if len(values) else None
