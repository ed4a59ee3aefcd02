"""The request: what a user asked for, with defaults, configuration files and flags already merged.

It may leave things open (None stands for "choose for me"); the conductor resolves it and freezes a
:class:`~mlscope.plan.Plan`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from mlscope._schema import Frozen
from mlscope.plan._plan import Command, Mode, Scenario

__all__ = ["LoadRequest", "Request", "WorkloadRequest"]

Whole = Annotated[int, Field(ge=1)]


class _Tensors(Frozen):
    """Samples that are ready in memory before the first of them is asked for."""

    dataset_size: int | None = Field(default=None, ge=1)
    """Samples that are used; None: all of the data set."""
    random_inputs: bool = False
    """Seeded random tensors instead of pictures."""
    shapes: dict[str, tuple[int, ...]] = {}
    """Input name → shape with the batch dimension, for dynamic dimensions with random inputs."""


class LoadRequest(_Tensors):
    """What ``mlscope benchmark`` adds: a LoadGen test."""

    scenario: Scenario = "SingleStream"
    mode: Mode = "PerformanceOnly"
    samples_per_query: int | None = Field(default=None, ge=1)
    """MultiStream: samples of one query (LoadGen: 8)."""
    buffer_size: int | None = Field(default=None, ge=1)
    """Samples of the performance set, kept in memory; None: LoadGen's 1024 or all, whichever is fewer."""
    count_override: int | None = Field(default=None, ge=1)
    """Exactly this many queries (LoadGen's minimum and maximum query count)."""
    min_duration_s: float | None = Field(default=None, ge=0)
    max_duration_s: float | None = Field(default=None, gt=0)
    target_qps: float | None = Field(default=None, gt=0)
    """Server: arrival rate. Offline: expected rate, from which LoadGen sizes its one query."""
    target_latency_ms: float | None = Field(default=None, gt=0)
    """SingleStream and MultiStream: expected latency. Server: the latency bound."""
    user_conf: Path | None = None
    mlperf_conf: Path | None = None
    audit_conf: Path | None = None
    settings: dict[str, bool | int | float] = {}
    """Any other TestSettings field by its LoadGen name."""
    multistream: Literal["v0.5"] | None = None
    """MultiStream as MLPerf v0.5 had it: a query at each tick of `interval_ms` at which none is under way."""
    interval_ms: float = Field(default=50.0, gt=0)


class WorkloadRequest(_Tensors):
    """What ``mlscope predict workload`` and ``max-qps`` add: requests on a schedule of their own."""

    arrival: str = "poisson"
    """Law of arrival: ``constant``, ``gamma:cv=2`` …"""
    trace: Path | None = None
    """A recorded trace to be replayed, CSV or Parquet."""
    trace_unit: Literal["s", "ms", "us", "ns"] = "s"
    time_scale: float = Field(default=1.0, gt=0)
    initial_qps: float = Field(default=16.0, gt=0)
    """Mean rate; ``max-qps`` begins with it."""
    cap_qps: float = Field(default=10_000.0, gt=0)
    """``max-qps`` goes no higher."""
    percentile: float = Field(default=95.0, gt=0, lt=100)
    min_duration_ms: float = Field(default=100.0, ge=0)
    min_queries: int = Field(default=512, ge=1)
    latency_bound_ms: float | None = Field(default=100.0, gt=0)


class Request(Frozen):
    """One evaluation as it was asked for."""

    command: Command
    model_name: str = "Digits_CNN"
    """A built-in model's name, a manifest's path, or (benchmark with random inputs) a model file's path."""
    model_version: str | None = None
    weights_tags: tuple[str, ...] = ()
    """Choose the model's files by tags, among all models or those of the one that is named."""
    weights: Path | None = None
    """Local file to be used for the model's graph; its sha256 must still match the manifest."""
    dataset_name: str | None = None
    """A built-in data set's name or a manifest's path; None: the one that suits the model."""
    images_tags: tuple[str, ...] = ()
    """Choose the data set, and in which form, by tags; the same as for `weights_tags`."""
    dataset_path: Path | None = None
    preprocess: Literal["auto", "cached", "inline"] = "auto"
    """Whether pictures are prepared up to mean and scale once and kept, or anew in each run; auto: ``inline`` for
    ``predict``, which times it, and ``cached`` for ``benchmark``, which does not, where the steps allow it."""
    urls: tuple[str, ...] = ()
    """``predict urls``: files, globs and http(s) addresses."""
    framework: str | None = None
    """Another framework or version than the manifest's: ``onnxruntime==1.20.1``, ``openvino``."""
    stack: Literal["auto", "host", "uv", "container"] = "auto"
    """Where the framework comes from; auto: this interpreter where it will do and no framework or Python is named."""
    python: str | None = None
    """Python of the environment, for instance ``3.12``."""
    packages: tuple[str, ...] = ()
    """Further packages of the environment, as pip writes them: ``mlcommons-loadgen==5.1.2``."""
    random_weights: int | None = Field(default=None, ge=0)
    """Seed: run with random weights, for speed only."""
    batch_size: int = Field(default=1, ge=1)
    partition_list_size: int | None = Field(default=None, ge=1)
    """Chunk size of the input list; None: the batch size."""
    num_file_parts: int = Field(default=-1, ge=-1)
    """Evaluate only the first N parts of the input list; -1: all."""
    warmup: int = Field(default=1, ge=0)
    """Warm-up batches (benchmark: queries)."""
    fail_on_error: bool = False
    gpu: bool = False
    gpu_device_id: int = Field(default=0, ge=0)
    threads: Whole | Literal["auto"] | None = None
    """Threads of the model, of each stream in each worker; None: chosen from the cores; auto: calibrated."""
    streams: Whole | Literal["auto"] | None = None
    """Server, Offline, open loops: batches at once; None: one; auto: calibrated, with what else is not said."""
    max_batch: Whole | Literal["auto"] | None = None
    """Server, Offline, open loops: requests of one batch at most; None: the batch size."""
    max_delay_s: float = Field(default=0, ge=0)
    """Server, Offline, open loops: how long the first request of a batch waits for others."""
    queue_capacity: int | None = Field(default=None, ge=1)
    """Server, open loops: requests that may wait; None: some seconds' arrivals."""
    pin: bool = False
    """Server, Offline, open loops: keep each stream to cores of its own."""
    recalibrate: bool = False
    """Calibrate anew what is auto, though an earlier calibration is known."""
    workers: int | None = Field(default=None, ge=1)
    """Model processes that share the work of ``predict``; None: one."""
    loader_processes: int | None = Field(default=None, ge=1)
    """Processes that decode pictures ahead of the model; None: chosen from the cores."""
    trace_level: str = "APPLICATION_TRACE"
    tracer_address: str | None = None
    """Server that gets the spans once the run is sealed; never stored."""
    options: dict[str, Any] = {}
    """Predictor options by name, for instance ``graph_optimization_level``."""
    allow_hooks: bool = False
    seed: int = 0
    offline: bool = False
    publish: bool = False
    publish_predictions: bool = False
    database_address: str | None = None
    database_name: str | None = None
    secret: str | None = Field(default=None, repr=False)
    """Password for a database address that names a user without one."""
    experiment: str | None = None
    tags: tuple[str, ...] = ()
    repetitions: int = Field(default=1, ge=1)
    record: bool = True
    rehearsal: bool = False
    """Whether it only tries out what a submission will measure; its record is of the kind ``rehearsal``."""
    worker_prefix: str = ""
    """Command put before the worker's, for instance ``perf record -g``."""
    env: dict[str, str] = {}
    """Environment variables added to the worker's (the caller's are passed through)."""
    require_quiet: bool = False
    """Measure only on a quiet machine; a run that was disturbed fails, and is kept."""
    quiet_timeout_s: float = Field(default=60, ge=0)
    """How long to wait for the machine to become quiet."""
    floor: bool = True
    """Have the harness floor in the record; it is measured once for each machine, stack and way of measuring."""
    load: LoadRequest | None = None
    workload: WorkloadRequest | None = None

    @property
    def tensors(self) -> LoadRequest | WorkloadRequest | None:
        """Which samples are to be ready beforehand; None where they are loaded on the way."""
        return self.load or self.workload
