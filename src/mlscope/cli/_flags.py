"""The flags, each declared once; commands take the groups that they need.

Only cyclopts and the standard library are imported here: help pages are made of this module. Names of fields
are those of :class:`mlscope.plan.Request` wherever there is one, and the defaults are equal (a test compares
them).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from mlscope.cli import _values

__all__ = [
    "DataFlags",
    "DatabaseFlags",
    "ExecutionFlags",
    "FilterFlags",
    "FlagGroup",
    "FormatFlags",
    "Globals",
    "LoadFlags",
    "ModelFlags",
    "OutputFlags",
    "PartFlags",
    "RecordFlags",
    "UrlFlags",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlagGroup:
    """Flags that belong together."""

    def values(self) -> dict[str, Any]:
        """Field → value, under the names of :class:`mlscope.plan.Request`."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def _group(title: str, order: int) -> Parameter:
    return Parameter(name="*", group=Group(title, sort_key=order))


def _flag(text: str, *names: str, metavar: str | None = None, **more: Any) -> Parameter:
    return Parameter(name=names or None, help=text, metavar=metavar, **more)


@_group("Global flags", 90)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Globals(FlagGroup):
    """Flags of every command."""

    config: Annotated[
        Path | None,
        _flag(
            "Configuration: mlscope's TOML, or YAML of MLModelScope. Default: the user's mlscope/config.toml, or "
            "else ~/.carml_config.yaml. Flags go before it.",
            metavar="FILE",
        ),
    ] = None
    verbose: Annotated[bool, _flag("Say on stderr what is being done.", "--verbose", "-v")] = False
    debug: Annotated[
        bool, _flag("Show tracebacks of unexpected errors and the worker's log of failures.", "--debug", "-d")
    ] = False
    secret: Annotated[
        str | None,
        _flag(
            "Password for a database address that names a user without one; never stored.",
            "--secret",
            "-s",
            metavar="PASSWORD",
        ),
    ] = None
    local: Annotated[
        bool,
        _flag("Stay on this machine: no downloads, only databases in files or on localhost.", "--local", "-l"),
    ] = False
    profile: Annotated[bool, _flag("Profile the command itself (not the model) into mlscope-profile.pstats.")] = False


@_group("Model", 10)
@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelFlags(FlagGroup):
    """Which model."""

    model_name: Annotated[str, _flag("A built-in model's name or a manifest's path.", metavar="NAME")] = "Digits_CNN"
    model_version: Annotated[str | None, _flag("Version, where there are several.", metavar="VERSION")] = None
    weights: Annotated[
        Path | None,
        _flag("Local file for the model's graph; its sha256 must be the manifest's.", metavar="FILE"),
    ] = None
    allow_hooks: Annotated[bool, _flag("Run the Python hooks of the model's manifest.")] = False
    options: Annotated[
        tuple[str, ...],
        _flag("Option of the framework's predictor; may be repeated.", "--option", metavar="KEY=VALUE"),
    ] = ()

    def values(self) -> dict[str, Any]:
        """As for :class:`FlagGroup`."""
        return super().values() | {"options": _values.options("--option", self.options)}


@_group("Data", 20)
@dataclasses.dataclass(frozen=True, kw_only=True)
class DataFlags(FlagGroup):
    """Which data."""

    dataset_name: Annotated[str, _flag("A built-in data set's name or a manifest's path.", metavar="NAME")] = "digits"
    dataset_path: Annotated[Path | None, _flag("Folder with the data set's list and pictures.", metavar="DIR")] = None
    dataset_category: Annotated[
        Literal["vision"],
        _flag(
            "Accepted for old scripts; there are only data sets of pictures.",
            show_choices=False,
            show_default=False,
            metavar="vision",
        ),
    ] = "vision"

    def values(self) -> dict[str, Any]:
        """As for :class:`FlagGroup`."""
        return {"dataset_name": self.dataset_name, "dataset_path": self.dataset_path}


@_group("Input list", 25)
@dataclasses.dataclass(frozen=True, kw_only=True)
class PartFlags(FlagGroup):
    """How much of the data."""

    partition_list_size: Annotated[
        int | None,
        _flag(
            "Samples of one part of the input list. Default: the batch size.",
            "--partition-list-size",
            "-p",
            metavar="N",
        ),
    ] = None
    num_file_parts: Annotated[int, _flag("Evaluate only the first N parts; -1: all of them.", metavar="N")] = -1
    warmup: Annotated[
        int,
        _flag(
            "Warm-up batches; kept as data, marked, and in no statistic.",
            "--warmup",
            "--warmup-num-file-parts",
            metavar="N",
        ),
    ] = 1


@_group("Input list", 25)
@dataclasses.dataclass(frozen=True, kw_only=True)
class UrlFlags(FlagGroup):
    """Where the pictures of ``predict urls`` are."""

    urls_file_path: Annotated[Path | None, _flag("File with one path, glob or address a line.", metavar="FILE")] = None
    duplicate_input: Annotated[int, _flag("Take the whole list this many times.", metavar="N")] = 1
    partition_list_size: Annotated[
        int | None,
        _flag(
            "Pictures of one part of the list. Default: the batch size.",
            "--partition-list-size",
            "-p",
            metavar="N",
        ),
    ] = None
    num_file_parts: Annotated[
        int,
        _flag("Only the first N parts; -1: all of them.", "--num-url-parts", "--num-file-parts", metavar="N"),
    ] = -1
    warmup: Annotated[
        int,
        _flag(
            "Warm-up batches; kept as data, marked, and in no statistic.",
            "--num-warmup-url-parts",
            "--warmup",
            "--warmup-num-file-parts",
            metavar="N",
        ),
    ] = 1

    def values(self) -> dict[str, Any]:
        """As for :class:`FlagGroup`; the list itself is read by the command."""
        return {
            "partition_list_size": self.partition_list_size,
            "num_file_parts": self.num_file_parts,
            "warmup": self.warmup,
        }


@_group("Execution", 30)
@dataclasses.dataclass(frozen=True, kw_only=True)
class ExecutionFlags(FlagGroup):
    """How the model runs."""

    batch_size: Annotated[int, _flag("Samples of one call of the model.", "--batch-size", "-b", metavar="N")] = 1
    fail_on_error: Annotated[bool, _flag("End at the first sample that fails.")] = False
    gpu: Annotated[bool, _flag("Run on the GPU; an error where there is none.", "--gpu", "--use-gpu")] = False
    gpu_device_id: Annotated[int, _flag("Which GPU.", metavar="N")] = 0
    threads: Annotated[
        int | None, _flag("Threads of each model process. Default: chosen from the cores.", metavar="N")
    ] = None
    loader_processes: Annotated[
        int | None,
        _flag("Processes that decode pictures ahead. Default: chosen from the cores.", metavar="N"),
    ] = None
    seed: Annotated[int, _flag("Seed of everything that is random.", metavar="N")] = 0
    worker_prefix: Annotated[
        str, _flag("Command put before the model process, for instance 'perf record -g'.", metavar="COMMAND")
    ] = ""
    env: Annotated[
        tuple[str, ...],
        _flag(
            "Environment variable of the model process; may be repeated. The caller's are passed on anyway.",
            "--env",
            metavar="KEY=VALUE",
        ),
    ] = ()

    def values(self) -> dict[str, Any]:
        """As for :class:`FlagGroup`."""
        return super().values() | {"env": _values.pairs("--env", self.env)}


@_group("Execution", 30)
@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkerFlags(FlagGroup):
    """Model processes; LoadGen's tests always have one."""

    workers: Annotated[int | None, _flag("Model processes that share the work. Default: one.", metavar="N")] = None


@_group("Record", 40)
@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordFlags(FlagGroup):
    """What is kept, and where."""

    experiment: Annotated[str | None, _flag("Name under which runs belong together.", metavar="NAME")] = None
    tags: Annotated[tuple[str, ...], _flag("Tags, separated by commas.", "--tags", metavar="A,B")] = ()
    repetitions: Annotated[int, _flag("Measure this many times, one record each.", metavar="N")] = 1
    no_record: Annotated[bool, _flag("Keep nothing; the terminal's output is all.")] = False
    publish: Annotated[bool, _flag("Also copy the record and its files to --database-address.")] = False
    publish_predictions: Annotated[bool, _flag("With --publish: copy every prediction too (can be large).")] = False
    trace_level: Annotated[
        str,
        _flag(
            "NO_TRACE, APPLICATION_TRACE or MODEL_TRACE; deeper levels are recorded as MODEL_TRACE.",
            metavar="LEVEL",
        ),
    ] = "APPLICATION_TRACE"
    tracer_address: Annotated[
        str | None, _flag("Accepted; in this version traces stay in the run folder.", metavar="ADDRESS")
    ] = None

    def values(self) -> dict[str, Any]:
        """As for :class:`FlagGroup`."""
        values = super().values()
        values["record"] = not values.pop("no_record")
        values["tags"] = _values.comma_list(self.tags)
        return values


@_group("Database", 50)
@dataclasses.dataclass(frozen=True, kw_only=True)
class DatabaseFlags(FlagGroup):
    """Which database."""

    database_address: Annotated[
        str | None,
        _flag("sqlite:///FILE or postgresql://USER@HOST/DATABASE. Default: this machine's runs.", metavar="ADDRESS"),
    ] = None
    database_name: Annotated[
        str | None, _flag("File of an SQLite address, schema of a PostgreSQL one.", metavar="NAME")
    ] = None


@_group("Output", 60)
@dataclasses.dataclass(frozen=True, kw_only=True)
class FormatFlags(FlagGroup):
    """How the result is shown."""

    format: Annotated[
        Literal["table", "json"],
        _flag("Text for people, or one JSON document.", "--format", "-f", converter=_values.choice),
    ] = "table"


@_group("Output", 60)
@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputFlags(FlagGroup):
    """How and where a report is written."""

    format: Annotated[
        Literal["table", "json", "csv"],
        _flag("Text for people, one JSON document, or CSV.", "--format", "-f", converter=_values.choice),
    ] = "table"
    output: Annotated[Path | None, _flag("Write to a file, not to stdout.", "--output", "-o", metavar="FILE")] = None
    append: Annotated[bool, _flag("Add to the output file.")] = False
    overwrite: Annotated[bool, _flag("Replace the output file.")] = False
    no_header: Annotated[bool, _flag("Leave out the header line of tables and CSV.")] = False


@_group("Filter", 10)
@dataclasses.dataclass(frozen=True, kw_only=True)
class FilterFlags(FlagGroup):
    """Which evaluations; all given filters must agree."""

    model_name: Annotated[str | None, _flag("Model's name; `all`: no filter.", metavar="NAME")] = None
    model_version: Annotated[str | None, _flag("Model's version.", metavar="VERSION")] = None
    framework_name: Annotated[str | None, _flag("Framework's name.", metavar="NAME")] = None
    framework_version: Annotated[str | None, _flag("Framework's version.", metavar="VERSION")] = None
    dataset_name: Annotated[str | None, _flag("Data set's name.", metavar="NAME")] = None
    arch: Annotated[str | None, _flag("Architecture of the machine: amd64, arm64, ...", metavar="ARCH")] = None
    hostname: Annotated[str | None, _flag("Name of the machine.", metavar="NAME")] = None
    batch_size: Annotated[int | None, _flag("Batch size.", "--batch-size", "-b", metavar="N")] = None
    experiment: Annotated[str | None, _flag("Experiment's name.", metavar="NAME")] = None
    tag: Annotated[str | None, _flag("One of the tags.", metavar="TAG")] = None
    scenario: Annotated[str | None, _flag("LoadGen's scenario.", metavar="NAME", converter=_values.scenario)] = None
    limit: Annotated[int, _flag("Only the newest N; -1: all.", metavar="N")] = -1

    def values(self) -> dict[str, Any]:
        """Filter's field → value, only those that were given."""
        values = {name: value for name, value in super().values().items() if name != "limit" and value is not None}
        if values.get("model_name") == "all":
            del values["model_name"]
        return values


@_group("Load", 15)
@dataclasses.dataclass(frozen=True, kw_only=True)
class LoadFlags(FlagGroup):
    """The LoadGen test."""

    scenario: Annotated[
        Literal["SingleStream", "MultiStream", "Server", "Offline"],
        _flag("How queries arrive.", converter=_values.choice),
    ] = "SingleStream"
    mode: Annotated[
        Literal["AccuracyOnly", "PerformanceOnly", "SubmissionRun", "FindPeakPerformance"],
        _flag("What is tested.", converter=_values.choice),
    ] = "PerformanceOnly"
    samples_per_query: Annotated[
        int | None, _flag("MultiStream: samples of a query. Default: LoadGen's 8.", metavar="N")
    ] = None
    dataset_size: Annotated[int | None, _flag("Samples of the data set that are used. Default: all.", metavar="N")] = (
        None
    )
    buffer_size: Annotated[
        int | None,
        _flag("Samples kept in memory in performance mode. Default: 1024, or all if fewer.", metavar="N"),
    ] = None
    count_override: Annotated[int | None, _flag("Exactly this many queries.", metavar="N")] = None
    min_duration_s: Annotated[
        float | None,
        _flag(
            "Run at least this long: seconds, or 500ms, 10s, 2m.",
            "--min-duration",
            metavar="TIME",
            converter=_values.seconds,
        ),
    ] = None
    max_duration_s: Annotated[
        float | None,
        _flag("Run at most this long.", "--max-duration", metavar="TIME", converter=_values.seconds),
    ] = None
    target_qps: Annotated[
        float | None, _flag("Server: arrival rate. Offline: expected rate. Per second.", metavar="RATE")
    ] = None
    target_latency_ms: Annotated[
        float | None,
        _flag(
            "SingleStream, MultiStream: expected latency. Server: the bound. Milliseconds.",
            "--target-latency",
            metavar="MS",
        ),
    ] = None
    user_conf: Annotated[Path | None, _flag("LoadGen's user.conf.", metavar="FILE")] = None
    mlperf_conf: Annotated[
        Path | None, _flag("LoadGen's mlperf.conf. Default: the one inside LoadGen.", metavar="FILE")
    ] = None
    audit_conf: Annotated[Path | None, _flag("LoadGen's audit.config.", metavar="FILE")] = None
    settings: Annotated[
        tuple[str, ...],
        _flag(
            "Any other field of LoadGen's TestSettings; may be repeated (docs/loadgen-settings.md).",
            "--setting",
            metavar="NAME=VALUE",
        ),
    ] = ()
    random_inputs: Annotated[bool, _flag("Seeded random tensors: no manifest, labels or pictures are needed.")] = False
    shapes: Annotated[
        tuple[str, ...],
        _flag(
            "Shape of an input with dynamic dimensions; may be repeated.",
            "--shape",
            metavar="NAME:1x3x224x224",
        ),
    ] = ()
    warmup: Annotated[
        int,
        _flag("Warm-up queries before the test.", "--warmup", "--warmup-num-file-parts", metavar="N"),
    ] = 1

    def values(self) -> dict[str, Any]:
        """Fields of :class:`mlscope.plan.LoadRequest`."""
        values = super().values()
        del values["warmup"]
        values["settings"] = _values.settings("--setting", self.settings)
        values["shapes"] = _values.shapes("--shape", self.shapes)
        return values
