"""The record: what one evaluation found, as ``evaluation.json`` holds it.

Schema history:

* 1 - first version.
* 2 - ``mlscope_commit`` and ``mlscope_dirty``.
* 3 - ``data``, ``passport`` and ``floor``.
* 4 - ``workload``, ``search`` and ``loadgen.by``.
* 5 - ``submission``, the kind ``table``, and latencies without a standard deviation.

A record is immutable once its run folder is sealed. Every number carries its unit in its name.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from mlscope._schema import Frozen
from mlscope.results._passport import Floor, Passport

__all__ = [
    "SCHEMA_VERSION",
    "AccuracyResult",
    "DataUse",
    "Failure",
    "FileEntry",
    "LatencyResult",
    "LoadGenResult",
    "PercentileResult",
    "Record",
    "SearchResult",
    "SearchStep",
    "SubmissionResult",
    "System",
    "Timings",
    "WorkloadResult",
]

SCHEMA_VERSION = 5

Kind = Literal["own", "rehearsal", "ck", "official", "table"]
Status = Literal["complete", "interrupted", "failed"]


class PercentileResult(Frozen):
    """One percentile with its interval."""

    percentile: float
    """In percent, 0 to 100."""
    value_ns: float
    low_ns: float | None
    """Lower end of the 95 % interval from order statistics; None where there are too few samples."""
    high_ns: float | None


class LatencyResult(Frozen):
    """A distribution of latencies, warm-up left out."""

    of: Literal["sample", "query", "batch"]
    """What one latency belongs to."""
    clock: Literal["issued", "scheduled"]
    """What a latency counts from."""
    count: int
    """0: not told, where only LoadGen's summary is known."""
    failed: int
    """Requests without an answer. Those of an open loop count as later than every other, and a percentile that falls
    on them is left out; in other runs they are in no percentile."""
    mean_ns: float
    stddev_ns: float | None
    """None where only LoadGen's summary is known."""
    min_ns: float
    max_ns: float
    percentiles: tuple[PercentileResult, ...]
    throughput_samples_per_s: float
    throughput_low_samples_per_s: float | None = None
    throughput_high_samples_per_s: float | None = None


class AccuracyResult(Frozen):
    """Right answers among the samples that were evaluated; a failed sample counts as wrong."""

    evaluated: int
    failed: int
    top1_good: int
    top5_good: int | None
    """None where the model has fewer than five classes."""
    top1: float
    """Fraction, 0 to 1."""
    top1_low: float
    """Lower end of the 95 % Wilson interval."""
    top1_high: float
    top5: float | None
    top5_low: float | None
    top5_high: float | None


class LoadGenResult(Frozen):
    """What is said of a test by LoadGen's rules."""

    by: Literal["LoadGen", "mlscope"] = "LoadGen"
    """Who ran and judged it: the official LoadGen, or mlscope where LoadGen has no such test any more."""
    version: str
    """Of who ran it."""
    scenario: str
    mode: str
    validity: Literal["VALID", "INVALID"] | None
    """None in accuracy mode."""
    failed_conditions: tuple[str, ...] = ()
    """Which conditions failed when the result is INVALID, one sentence each."""
    metric: str | None = None
    metric_value: float | None = None
    metric_unit: str | None = None
    effective_settings: dict[str, Any] = {}
    summary: dict[str, str] = {}
    """LoadGen's summary, ``left : right`` by line."""
    errors: int = 0
    warnings: int = 0


class WorkloadResult(Frozen):
    """What became of requests that were issued on a schedule of their own, whatever the model did meanwhile."""

    arrival: str
    """The law of arrival with its parameters, or ``trace``."""
    offered_qps: float
    """Mean rate of the schedule."""
    requests: int
    answered: int
    failed: int
    """The model raised."""
    dropped: int
    """The queue was full."""
    unfinished: int
    """No answer when the run was ended."""
    not_issued: int
    """Left when the run was interrupted."""
    schedule_sha256: str
    """Digest of the schedule's file: when each request was due, and which input it asked for."""
    slip: tuple[PercentileResult, ...]
    """How much later than scheduled the requests were issued."""
    max_slip_ns: int | None
    percentile: float
    """In percent."""
    latency_ns: float | None
    """At that percentile of all requests, from the scheduled arrival; None: infinite, since too many have no answer."""
    latency_bound_ns: int | None
    bound_met: bool | None
    verdict: Literal["ok", "overload"]
    reasons: tuple[str, ...] = ()
    """Why it is overload, one sentence each."""


class SearchStep(Frozen):
    """One run of a search."""

    value: float
    passed: bool
    margin: float | None
    """How far from the bound, relative to it; 0 or more where it passed."""
    error: float | None
    """Standard error of the margin, where it is known."""
    full: bool
    """Whether it had the full length."""
    note: str = ""
    """What was seen, for people."""


class SearchResult(Frozen):
    """The largest value that meets a bound."""

    of: str
    """What was searched, for instance ``qps``."""
    outcome: Literal["found", "nothing", "everything", "unfinished"]
    """``nothing`` meets the bound, or ``everything`` up to the cap does."""
    best: float | None
    first_failing: float | None
    low: float | None
    """The limit lies between the two, as far as it is known."""
    high: float | None
    confirmed: bool
    """Whether a run of full length at `best` met the bound."""
    summary: str
    """The answer in one sentence."""
    steps: tuple[SearchStep, ...] = ()


class SubmissionResult(Frozen):
    """Which MLPerf result a record is, and what its submitter says of it; the system is described in ``system``."""

    round: str | None
    """``v0.5``, ``v5.1``, …; None where nothing says so."""
    division: str
    """``closed``, ``open`` or ``network``."""
    submitter: str
    system: str
    """Short name of the system, as its folder is called."""
    system_name: str | None = None
    """As its submitter calls it."""
    availability: str | None = None
    """``available``, ``preview``, ``rdi``, …"""
    category: str | None = None
    """``edge``, ``datacenter`` or both, separated by a comma."""
    benchmark: str
    """As its folder is called."""
    scenario: str
    inferred_from: str | None = None
    """The scenario that was measured, where this one's result was calculated from it."""
    accuracies: dict[str, float] = {}
    """Measure → value, as the submitter's ``accuracy.txt`` has it (shares in percent)."""
    identifier: str | None = None
    """Of a published table, for instance ``Inf-0.5-22``."""
    details: str | None = None
    code: str | None = None
    """Addresses of the system's details and of the code, as a table gives them."""
    notes: tuple[str, ...] = ()


class Timings(Frozen):
    """Durations of the parts of an evaluation."""

    total_ns: int
    load_ns: int | None = None
    """Loading the model."""
    first_inference_ns: int | None = None
    preprocess_mean_ns: float | None = None
    """Per sample, decode to tensor."""
    inference_ns: int | None = None
    """Sum of the time in the model's predict call, warm-up left out."""
    postprocess_ns: int | None = None
    wait_share: float | None = None
    """Share of the measured time in which the model waited for pictures, 0 to 1."""
    peak_memory_bytes: int | None = None
    """Peak resident memory of the worker process (the largest one)."""


class System(Frozen):
    """The machine, as it was described before the run."""

    hostname: str
    machine_architecture: str
    """``amd64``, ``arm64``, ``ppc64le``, … (the original's names)."""
    cpu_name: str
    cpu_count: int
    memory_bytes: int
    operating_system: str
    kernel: str
    python: str
    gpu_names: tuple[str, ...] = ()
    details: dict[str, Any] = {}


class DataUse(Frozen):
    """Where the tensors came from."""

    layout: str
    """How the data set's list was read: ``val_map``, ``folders``, ``csv``, or ``none`` for pictures that were named."""
    preprocess: Literal["cached", "inline"]
    """``cached``: from a prepared set; the time of pre-processing is then that of mean, scale and cast alone."""
    prepared: str | None = None
    """Key of the prepared set."""
    libraries: dict[str, str] = {}
    """What decoded and resized, with versions."""
    lock_sha256: str | None = None
    """Digest of the loader's own lock (``loader-lock.json``); None: mlscope's own interpreter decoded."""


class Failure(Frozen):
    """Why an evaluation did not complete."""

    kind: str
    """Name of the error class."""
    message: str
    exit_code: int


class FileEntry(Frozen):
    """One file of the run folder."""

    path: str
    """Relative to the run folder, with forward slashes."""
    size: int
    sha256: str


class Record(Frozen):
    """One evaluation."""

    schema_version: int = SCHEMA_VERSION
    id: str
    """32 hex digits, made when the run starts; sorts by time (UUIDv7). Of what was imported from other formats: made
    from the content (UUIDv8), so that importing it again finds it."""
    kind: Kind = "own"
    """``ck``: a point of a CK experiment; ``official``: a tree of MLPerf results; ``table``: a row of a table."""
    status: Status
    created_at: datetime
    """Start, UTC."""
    command: str
    plan_id: str
    experiment: str | None = None
    tags: tuple[str, ...] = ()
    repetition: int = 1
    model_name: str
    model_version: str
    dataset_name: str | None
    framework_name: str
    framework_version: str
    batch_size: int
    """0: not told (kinds ``ck``, ``official`` and ``table``)."""
    using_gpu: bool
    trace_level: str
    scenario: str | None = None
    mode: str | None = None
    system: System
    lock_sha256: str
    """Digest of the lock (``lock.json``): every package of the stack; empty where there is none."""
    mlscope_version: str
    mlscope_commit: str | None = None
    """Of mlscope's repository, as hexadecimal digits; None where it was installed from elsewhere."""
    mlscope_dirty: bool | None = None
    """Whether its code was not that of the commit; None without a commit."""
    data: DataUse | None = None
    """Where the tensors came from; None for random inputs."""
    accuracy: AccuracyResult | None = None
    latency: tuple[LatencyResult, ...] = ()
    """Most telling first: per query, then per sample."""
    loadgen: LoadGenResult | None = None
    workload: WorkloadResult | None = None
    search: SearchResult | None = None
    timings: Timings
    effective: dict[str, Any] = {}
    """Settings of the framework as it reports them; of a CK point its choices and the versions of what it used."""
    submission: SubmissionResult | None = None
    """Of results that came from a tree or a table of MLPerf."""
    passport: Passport | None = None
    """How quiet the machine was; None in records before schema version 3."""
    floor: Floor | None = None
    """What the harness itself costs; None where it was not measured."""
    failure: Failure | None = None
    warnings: tuple[str, ...] = ()
    files: tuple[FileEntry, ...] = ()
    """Every file of the run folder but evaluation.json itself."""
