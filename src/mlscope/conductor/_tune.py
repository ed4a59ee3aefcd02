"""Streams, threads and batch of a plan where the request leaves them to a calibration (``--streams auto``).

Each layout is loaded in a worker of its own, which runs batches of random samples for some seconds and is kept
until the end. What is best depends on the scenario: for Offline the throughput; for Server the rate up to which a queue
before servers of the measured times would keep the latency bound, or, at a rate that is given, its latency; for
SingleStream and MultiStream the time of a call.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlscope._files import write_atomic
from mlscope._home import cache_dir
from mlscope._schema import canonical_digest
from mlscope.conductor._calibrate import KEPT, Trial, calibrate
from mlscope.conductor._outcome import Observer
from mlscope.conductor._prepare import Prepared, execution
from mlscope.conductor._quiet import wait_for_rest
from mlscope.conductor._serving import chosen_layout, host_threads, is_served, open_axes
from mlscope.conductor._start import declared_input, load_command, open_worker
from mlscope.conductor._worker import Worker
from mlscope.errors import ModelError, WorkerError
from mlscope.stacks import describe_machine
from mlscope.stats import largest_rate, sojourn_times
from mlscope.worker.protocol import Probe, Probed, Tensor, TraceLevel

__all__ = ["Layout", "layouts", "tune"]

_BUDGET_S = 60.0
_BLOCKS_S = (0.4, 0.8, 1.6, 3.2)
"""Lengths of the blocks of the first rounds, and of all later ones: the fewer are left, the better they are known."""
_TAIL_BLOCKS_S = (3.2,)
_TAIL_KEPT = (0.0, 0.4, 0.7)
"""Of Server, which a percentile decides: it takes some hundred calls to see it, and it scatters more than a median."""
_BUSY = 0.5
"""Share of the time that a server's streams are busy when a latency bound of few calls is just kept."""
_BATCHES = (1, 2, 4, 8, 16, 32)
_SERVER_BOUND_NS = 100_000_000
"""LoadGen's default."""


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Layout:
    """How a model is run; ordered by what is preferred where two are equally fast."""

    batch: int
    streams: int
    threads: int

    def __str__(self) -> str:
        return f"{self.streams} x {self.threads} threads, batch {self.batch}"


def layouts(prepared: Prepared, cores: int) -> list[Layout]:
    """What comes into question: layouts that use more than half of the cores and no more than all of them."""
    request = prepared.request
    axes, (streams, threads, batch) = open_axes(request), chosen_layout(request)
    limit = prepared.manifest.limits.max_batch_size if prepared.manifest else None
    batches = [size for size in _BATCHES if limit is None or size <= limit] if "max_batch" in axes else [batch]
    numbers = sorted({1 << power for power in range(cores.bit_length()) if 1 << power <= cores} | {cores})
    found = set()
    for one in numbers if "streams" in axes else [streams]:
        for each in sorted({*numbers, max(1, cores // one)}) if "threads" in axes else [threads]:
            fits = one * each <= cores and (2 * one * each > cores or not is_served(request))
            if fits or axes == ["max_batch"] or (one, each) == (streams, threads):
                found |= {Layout(size, one, each) for size in batches}
    return sorted(found)


def tune(prepared: Prepared, inputs: Sequence[Tensor] | None, observer: Observer) -> Prepared:
    """The same with everything that was left to calibration chosen, and the plan frozen with it.

    Args:
        prepared: What will be run; returned as it is where nothing is open.
        inputs: The inputs of a model without a manifest.
        observer: Hears how it goes.

    Raises:
        MlscopeError: No layout can be run; or the model or the worker failed.
    """
    request = prepared.request
    if not open_axes(request):
        return prepared
    wanted = list(inputs) if inputs else [declared_input(prepared)]
    candidates = layouts(prepared, host_threads())
    key = _key(prepared, wanted, candidates)
    kept = cache_dir() / "calibrations" / f"{key}.json"
    evidence = None if request.recalibrate else _read(kept)
    if evidence is None:
        best, trials = _calibrate(prepared, wanted, candidates, observer)
        evidence = _evidence(prepared, best, trials)
        write_atomic(kept, json.dumps(evidence, indent=2) + "\n")
    else:
        observer.note(f"calibrated before ({kept}); --recalibrate does it again")
    for line in _table(evidence):
        observer.note(line)
    chosen = evidence["chosen"]
    served = {"streams": chosen["streams"], "max_batch": chosen["batch"]} if is_served(request) else {"streams": None}
    request = request.model_copy(update={"threads": chosen["threads"], **served})
    level = TraceLevel[prepared.plan.execution.trace_level]
    plan = prepared.plan.model_copy(update={"execution": execution(request, level)})
    return dataclasses.replace(prepared, request=request, plan=plan, calibration=evidence)


def _calibrate(
    prepared: Prepared, inputs: list[Tensor], candidates: list[Layout], observer: Observer
) -> tuple[Layout, list[Trial[Layout]]]:
    observer.stage("calibrate", 100)
    tail = _by_tail(prepared)
    lengths = _TAIL_BLOCKS_S if tail else _BLOCKS_S
    with _Workers.opened(prepared, inputs, candidates) as workers:

        def measure(layout: Layout, number: int) -> float:
            return _score(prepared, layout, workers.probe(layout, lengths[min(number, len(lengths) - 1)]))

        return calibrate(
            candidates,
            measure,
            budget_s=_BUDGET_S,
            kept=_TAIL_KEPT if tail else KEPT,
            tell=lambda blocks, share: observer.advance(min(99, int(100 * share))),
        )


def _by_tail(prepared: Prepared) -> bool:
    """Whether layouts are judged by a percentile of their calls' times: Server, and requests beside LoadGen."""
    load = prepared.plan.load
    return load is None or load.scenario == "Server"


class _Workers:
    """A worker for each layout; layouts that differ in their batch share one where the model takes any batch."""

    def __init__(self, prepared: Prepared, inputs: list[Tensor], candidates: list[Layout], folder: Path) -> None:
        self._prepared, self._inputs, self._folder = prepared, inputs, folder
        self._largest = max(layout.batch for layout in candidates)
        self._shared = True
        self._too_large: tuple[int, ModelError] | None = None
        self._open: dict[Layout, Worker] = {}
        self._started: list[Worker] = []

    @classmethod
    @contextlib.contextmanager
    def opened(cls, prepared: Prepared, inputs: list[Tensor], candidates: list[Layout]) -> Iterator[_Workers]:
        """Ends them all in the end."""
        folder = Path(tempfile.mkdtemp(prefix="mlscope-"))
        workers = cls(prepared, inputs, candidates, folder)
        try:
            yield workers
        finally:
            for worker in workers._started:
                if worker.channel.process.poll() is None:
                    worker.kill()
            shutil.rmtree(folder, ignore_errors=True)

    def probe(self, layout: Layout, seconds: float) -> Probed:
        """Run one block."""
        load = self._prepared.plan.load
        rows = 1 if load is not None and load.scenario == "Server" else layout.batch
        busy = _BUSY if _by_tail(self._prepared) else 1.0
        worker = self._worker(layout)
        wait_for_rest([other.pid for other in self._started if other is not worker])
        answer = worker.ask(Probe(seconds, rows, busy))
        if not isinstance(answer, Probed):
            raise WorkerError(f"the worker answered {type(answer).__name__} to Probe")
        return answer

    def _worker(self, layout: Layout) -> Worker:
        if self._too_large is not None and layout.batch >= self._too_large[0]:
            raise self._too_large[1]
        shared = dataclasses.replace(layout, batch=self._largest)
        if self._shared and shared not in self._open:
            try:
                self._shared = self._start(shared)
            except ModelError:
                self._shared = False
        mine = shared if self._shared else layout
        if mine not in self._open:
            try:
                self._start(mine)
            except ModelError as error:
                self._too_large = (layout.batch, error)
                raise
        return self._open[mine]

    def _start(self, layout: Layout) -> bool:
        """Load a layout; whether smaller batches may be run in it as they are."""
        plan = self._prepared.plan
        changes = {"batch_size": layout.batch, "streams": layout.streams, "threads": layout.threads}
        plan = plan.model_copy(update={"execution": plan.execution.model_copy(update=changes)})
        prepared = dataclasses.replace(self._prepared, plan=plan)
        worker = open_worker(prepared, self._folder, self._folder / f"worker-{len(self._started)}.log")
        self._started.append(worker)
        loaded = worker.load(load_command(prepared, self._inputs))
        self._open[layout] = worker
        return loaded.fixed_batch is None


def _score(prepared: Prepared, layout: Layout, seen: Probed) -> float:
    """How good a block was; larger is better."""
    load, times = prepared.plan.load, np.array(seen.batch_ns, np.float64)
    scenario = load.scenario if load is not None else "Server"
    if scenario == "Offline":
        return seen.samples_per_s
    if scenario != "Server":
        return float(1e9 / np.median(times))
    settings = load.settings if load is not None else {}
    percentile = 100 * float(settings.get("server_target_latency_percentile", 0.99))
    rate = settings.get("server_target_qps")
    if rate:
        random, count = np.random.default_rng(0), 20_000
        arrivals = np.cumsum(random.exponential(1e9 / float(rate), count))
        stay = sojourn_times(arrivals, random.choice(times, count), layout.streams)
        return float(1e9 / np.percentile(stay, percentile, method="inverted_cdf"))
    bound = float(settings.get("server_target_latency_ns", _SERVER_BOUND_NS))
    # Where no layout keeps the bound, the quickest of them is the nearest.
    nearest = float(1e3 / np.median(times))
    return largest_rate(times, layout.streams, percentile=percentile, bound_ns=bound) + nearest


def _unit(prepared: Prepared) -> str:
    load = prepared.plan.load
    if load is not None and load.scenario == "Offline":
        return "samples/s"
    if load is not None and load.scenario != "Server":
        return "calls/s"
    given = load is not None and load.settings.get("server_target_qps")
    return "1 / s of latency at the target rate" if given else "queries/s within the latency bound (simulated)"


def _key(prepared: Prepared, inputs: list[Tensor], candidates: list[Layout]) -> str:
    """Everything that the answer depends on."""
    plan, machine = prepared.plan, describe_machine()
    load, run = plan.load, plan.execution
    named = ("server_target_qps", "server_target_latency_ns", "server_target_latency_percentile")
    parts = {
        "weights": [item.sha256 for item in plan.model.weights],
        "random_weights": plan.model.random_weights,
        "inputs": [[item.name, item.element_type, list(item.shape)] for item in inputs],
        "framework": [plan.framework.name, plan.framework.version, plan.framework.options],
        "stack": prepared.stack.lock_sha256,
        "machine": [machine["hostname"], machine["cpu_name"], machine["cpu_count"], machine["kernel"]],
        "run": [run.device, run.pin, run.worker_prefix, dict(sorted(run.env.items()))],
        "scenario": load.scenario if load else None,
        "load": {name: load.settings[name] for name in named if name in load.settings} if load else {},
        "candidates": [dataclasses.astuple(layout) for layout in candidates],
    }
    return canonical_digest(parts)[:32]


def _read(path: Path) -> dict[str, Any] | None:
    """A calibration that was kept; None where there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if {"chosen", "tried", "unit"} <= found.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _evidence(prepared: Prepared, best: Layout, trials: Sequence[Trial[Layout]]) -> dict[str, Any]:
    load = prepared.plan.load
    return {
        "scenario": load.scenario if load else None,
        "unit": _unit(prepared),
        "chosen": dataclasses.asdict(best),
        "block_s": (_TAIL_BLOCKS_S if _by_tail(prepared) else _BLOCKS_S)[-1],
        "tried": [
            {
                **dataclasses.asdict(trial.candidate),
                "scores": trial.scores,
                "median": trial.score if trial.scores else None,
                "error": str(trial.error) if trial.error else None,
            }
            for trial in trials
        ],
    }


def _table(evidence: dict[str, Any]) -> Iterator[str]:
    """The evidence as lines, the best first."""
    yield f"calibration: {evidence['unit']}, median of the last blocks, up to {evidence['block_s']:g} s long"
    for row in sorted(evidence["tried"], key=lambda row: -(row["median"] or 0.0)):
        layout = Layout(row["batch"], row["streams"], row["threads"])
        mark = "  <- chosen" if dataclasses.asdict(layout) == evidence["chosen"] else ""
        told = f"{row['median']:.4g} ({len(row['scores'])} blocks)" if row["scores"] else row["error"] or "no time left"
        yield f"  {layout}: {told}{mark}"
