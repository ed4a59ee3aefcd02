"""FindPeakPerformance: the highest rate of Server that is VALID, by tests of the official LoadGen.

LoadGen's own mode doubles and halves the rate from one short test to the next, and overstates the peak where a short
test is lucky. Here each rate is a whole PerformanceOnly test, :class:`mlscope.stats.ThresholdSearch` says which comes
next, and a test of full length confirms the winner; its logs, samples and latencies are the run's.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from mlscope.conductor._judge import Judge, search_result
from mlscope.conductor._loadtest import gather, latency_of, test, test_command
from mlscope.conductor._logs import read_summary
from mlscope.conductor._predict import wanted_input
from mlscope.conductor._run import Run
from mlscope.conductor._tensors import sample_files
from mlscope.conductor._worker import Worker
from mlscope.results import LoadGenResult
from mlscope.stats import Observation, ThresholdSearch
from mlscope.worker.protocol import Loaded, LoadTest, Tensor, TestDone, TraceLevel

__all__ = ["measure"]

_RATE = "server_target_qps"
_LOWEST = 1 / 256
_TOLERANCE = 0.02
_SHORT_SHARE, _SHORTEST_MS = 0.2, 2000


@dataclasses.dataclass(slots=True)
class _Step:
    """One rate that was tried."""

    command: LoadTest
    done: TestDone
    result: LoadGenResult
    summary: str
    seen: Observation


def measure(run: Run, inputs: Sequence[Tensor] | None = None) -> None:
    """Search; what is found goes to ``run.found`` even when something fails on the way.

    Raises:
        MlscopeError: The model, the data or the worker failed.
        KeyboardInterrupt: Ctrl-C.
    """
    load = run.prepared.plan.load
    assert load is not None
    run.observer.stage("load the model")
    wanted = list(inputs) if inputs else [wanted_input(run)]
    started = run.start_worker(wanted)
    files, offset = sample_files(run, started[1], load.sample_count)
    (run.path / "loadgen").mkdir()
    base = test_command(run, files, offset, [])
    peak = _Peak(run, base, wanted, started)
    try:
        peak.go(load.settings.get(_RATE))
    finally:
        peak.put_away()


class _Peak:
    def __init__(self, run: Run, base: LoadTest, wanted: Sequence[Tensor], started: tuple[Worker, Loaded]) -> None:
        self._run, self._base, self._wanted, self._started = run, base, wanted, started
        self._steps: list[_Step] = []
        self._judge = Judge()
        self._search: ThresholdSearch | None = None

    def go(self, start: float | None) -> None:
        """Run tests until the peak is known. Without a first rate the worker chooses one by its warm-up."""
        first: list[tuple[float, Observation]] = []
        if start is None:
            step = self._try(None, full=False)
            start = float(step.result.effective_settings[_RATE])
            first = [(start, step.seen)]
        self._search = ThresholdSearch(start=start, low=start * _LOWEST, tolerance=_TOLERANCE, observations=first)
        for wanted in self._search:
            rate = float(f"{wanted:.4g}")
            self._search.tell(rate, self._try(rate, full=self._search.full).seen)
            self._tell(self._search)
        self._run.release(*self._started)

    def _try(self, rate: float | None, *, full: bool) -> _Step:
        number = len(self._steps) + 1
        if number > 1 and self._run.prepared.own_process:
            self._started[0].quit()
            self._started = self._run.start_worker(list(self._wanted))
        settings = dict(self._base.settings)
        if rate is not None:
            settings[_RATE] = rate
        if not full:
            whole = int(settings.get("min_duration_ms", 10_000))
            settings["min_duration_ms"] = min(whole, max(_SHORTEST_MS, int(_SHORT_SHARE * whole)))
        outdir = self._run.path / "loadgen" / f"rate-{number:03d}"
        outdir.mkdir()
        command = dataclasses.replace(
            self._base,
            mode="PerformanceOnly",
            settings=settings,
            outdir=str(outdir),
            samples=str(self._run.path / f"samples-{number:03d}.bin"),
            trace=True,
        )
        done = test(self._run, self._started[0], command)
        result, summary = read_summary(outdir, "Server", "FindPeakPerformance", done)
        latency = latency_of(command)
        seen = self._judge.of(result, latency[0] if latency else None, full)
        self._steps.append(_Step(command, done, result, summary, seen))
        return self._steps[-1]

    def _tell(self, search: ThresholdSearch) -> None:
        verdict = search.verdict()
        if verdict.best is None:
            text = "no rate is VALID so far"
            if verdict.nearest_miss is not None:
                text = f"no rate is VALID; the nearest miss is {verdict.nearest_miss[0]:g} qps"
        else:
            state = "confirmed" if verdict.confirmed else "not confirmed"
            text = f"{verdict.best:g} qps is the highest VALID rate, {state} by a test of full length"
        self._run.found.search = search_result(_RATE, search, text)

    def put_away(self) -> None:
        """The logs and samples of the winner, or else of the last test, become the run's."""
        self._run.stop_measuring()
        best = self._run.found.search.best if self._run.found.search else None
        chosen = [step for step in self._steps if step.seen.passed and step.command.settings.get(_RATE) == best]
        shown = (chosen or self._steps)[-1:]
        for step in self._steps:
            if step not in shown:
                begin, end = step.done.start_ns, step.done.end_ns
                self._run.span("loadgen_test", TraceLevel.APPLICATION_TRACE, begin, end)
        for step in shown:
            folder = Path(step.command.outdir)
            for path in folder.iterdir():
                shutil.move(path, folder.parent / path.name)
            folder.rmdir()
            command = dataclasses.replace(step.command, outdir=str(folder.parent))
            gather(self._run, command, step.done)
            self._run.found.loadgen, self._run.found.loadgen_summary = step.result, step.summary
        for raw in self._run.path.glob("samples-*.bin"):
            raw.unlink()
