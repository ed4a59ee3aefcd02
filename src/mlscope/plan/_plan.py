"""The plan: one frozen value that holds every choice of an evaluation.

Equal plans share a ``plan_id``; addresses, output options, experiment names, tags and repetitions are no part
of it. What is left to be found at run time (LoadGen's expected latency, for instance) is absent here, and the
value that was used stands in the record.
"""

from __future__ import annotations

from typing import Any, Literal

from mlscope._schema import Frozen, canonical_digest

__all__ = [
    "DatasetChoice",
    "ExecutionChoice",
    "FrameworkChoice",
    "LoadChoice",
    "ModelChoice",
    "Plan",
    "SourceChoice",
    "WeightsChoice",
    "WorkloadChoice",
]

Command = Literal["predict dataset", "predict urls", "predict workload", "predict max-qps", "benchmark", "compare"]
Scenario = Literal["SingleStream", "MultiStream", "Server", "Offline"]
Mode = Literal["AccuracyOnly", "PerformanceOnly", "SubmissionRun", "FindPeakPerformance"]


class WeightsChoice(Frozen):
    """One file of the model, by digest."""

    role: str
    """``graph`` or ``params``."""
    name: str
    """File name, for people."""
    sha256: str


class SourceChoice(Frozen):
    """The registered source that a manifest was found in."""

    name: str
    address: str | None = None
    """Of the git repository."""
    commit: str | None = None


class ModelChoice(Frozen):
    """The model: its manifest, whole, and the files chosen from it."""

    name: str
    version: str
    manifest: dict[str, Any]
    manifest_sha256: str
    weights: tuple[WeightsChoice, ...]
    random_weights: int | None = None
    """Seed of random weights; with them speed can be measured and accuracy is refused."""
    source: SourceChoice | None = None
    """None for a built-in manifest or a path."""


class DatasetChoice(Frozen):
    """The data: which samples, in which order."""

    name: str
    version: str
    sha256: str
    """Digest of the list of file names, labels and file digests or sizes."""
    count: int
    """Samples that this evaluation uses."""
    total: int
    """Samples that the data set has."""
    layout: str = "val_map"
    """How the list was read: ``val_map``, ``folders``, ``csv``, or ``none`` for pictures that were named."""
    preprocess: Literal["cached", "inline"] = "inline"
    """Whether pictures come from a prepared set; then only mean, scale and cast are left to the run."""
    prepared: str | None = None
    """Key of the prepared set: digest of the pictures, the steps and the libraries that carried them out."""
    source: SourceChoice | None = None
    """As for the model."""


class FrameworkChoice(Frozen):
    """The framework that runs the model and the version that was resolved from the constraint."""

    name: str
    predictor: str
    version: str
    constraint: str
    manifest_constraint: str = ""
    """What the model's manifest asks for."""
    overridden: bool = False
    """Whether the user named the framework."""
    options: dict[str, Any] = {}


class ExecutionChoice(Frozen):
    """How the model is run."""

    batch_size: int
    """Rows of a call; where requests are batched as they come (``max_batch``), at most."""
    partition_list_size: int
    threads: int
    """Of each stream."""
    streams: int = 1
    """Batches that run at once in one process (Server, Offline); each has `threads` threads."""
    max_delay_ns: int = 0
    """How long the first request of a batch waits for others."""
    queue_capacity: int | None = None
    """Requests that may wait; None: some seconds' arrivals."""
    pin: bool = False
    """Whether each stream is kept to cores of its own."""
    workers: int = 1
    """Model processes that share the work (``predict``); each has `threads` threads."""
    device: Literal["cpu", "gpu"] = "cpu"
    trace_level: str = "APPLICATION_TRACE"
    warmup: int = 1
    """Warm-up batches or queries; kept as marked data."""
    fail_on_error: bool = False
    allow_hooks: bool = False
    seed: int = 0
    loader_processes: int = 1
    overlap: bool = True
    """Whether pictures are loaded while the model runs, or in turns with it."""
    worker_prefix: str = ""
    env: dict[str, str] = {}
    """Environment variables that were added to the worker's."""


class LoadChoice(Frozen):
    """A LoadGen test: scenario, mode and every setting that was chosen (the rest are LoadGen's defaults)."""

    scenario: Scenario
    mode: Mode
    settings: dict[str, bool | int | float] = {}
    sample_count: int
    performance_count: int
    model_key: str
    mlperf_conf: str | None = None
    user_conf: str | None = None
    audit_conf: str | None = None
    interval_ms: float | None = None
    """MultiStream of MLPerf v0.5: a query at each tick, from mlscope's own generator; None: LoadGen's MultiStream."""


class WorkloadChoice(Frozen):
    """Requests that come on a schedule of their own; the seed of the draws is the execution's."""

    arrival: str
    """The law with its parameters, or ``trace``."""
    qps: float | None
    """Mean rate; the first one of a search; None for a trace, which has its own."""
    trace_sha256: str | None = None
    trace_unit: str = "s"
    """Of times whose column does not name one."""
    time_scale: float = 1.0
    """All times of a trace are multiplied by it."""
    min_duration_ms: float
    min_queries: int
    percentile: float
    """In percent."""
    latency_bound_ms: float | None
    cap_qps: float | None = None
    """A search goes no higher."""
    sample_count: int
    drain_ms: float = 10_000.0
    """How long answers are awaited after the last request."""


class Plan(Frozen):
    """Everything that decides what is measured."""

    schema_version: int = 1
    command: Command
    model: ModelChoice
    framework: FrameworkChoice
    dataset: DatasetChoice | None
    execution: ExecutionChoice
    load: LoadChoice | None = None
    workload: WorkloadChoice | None = None
    stack_kind: Literal["host", "uv", "container"] = "host"

    @property
    def plan_id(self) -> str:
        """First 16 hex digits of the digest of all fields but where the manifests were found."""
        unnamed = {"model": {"source"}, "dataset": {"source"}}
        return canonical_digest(self.model_dump(mode="json", exclude=unnamed))[:16]
