"""The flags, each declared once; commands take the groups that they need.

Only cyclopts and the standard library are imported here: help pages are made of this module. Names of fields
are those of :class:`mlscope.plan.Request` wherever there is one, and the defaults are equal (a test compares
them).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from mlscope.cli import _values
from mlscope.cli._declare import FlagGroup, flag, group

__all__ = [
    "DataFlags",
    "DatabaseFlags",
    "ExecutionFlags",
    "FilterFlags",
    "FormatFlags",
    "Globals",
    "ModelFlags",
    "OutputFlags",
    "PartFlags",
    "RecordFlags",
    "UrlFlags",
]


@group("Global flags", 90)
@dataclasses.dataclass(frozen=True, kw_only=True)
class Globals(FlagGroup):
    """Flags of every command."""

    config: Annotated[
        Path | None,
        flag(
            "Configuration: mlscope's TOML, or YAML of MLModelScope. Default: the user's mlscope/config.toml, or "
            "else ~/.carml_config.yaml. Flags go before it.",
            metavar="FILE",
        ),
    ] = None
    verbose: Annotated[bool, flag("Say on stderr what is being done.", "--verbose", "-v")] = False
    debug: Annotated[
        bool, flag("Show tracebacks of unexpected errors and the worker's log of failures.", "--debug", "-d")
    ] = False
    secret: Annotated[
        str | None,
        flag(
            "Password for a database address that names a user without one; never stored.",
            "--secret",
            "-s",
            metavar="PASSWORD",
        ),
    ] = None
    local: Annotated[
        bool,
        flag("Stay on this machine: no downloads, only databases in files or on localhost.", "--local", "-l"),
    ] = False
    profile: Annotated[bool, flag("Profile the command itself (not the model) into mlscope-profile.pstats.")] = False


@group("Model", 10)
@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelFlags(FlagGroup):
    """Which model."""

    model_names: Annotated[
        tuple[str, ...],
        flag(
            "A built-in model's name or a manifest's path; several, separated by commas or repeated, are measured one "
            "after the other and compared; `all`: every built-in model. Default: Digits_CNN.",
            "--model-name",
            metavar="NAME",
        ),
    ] = ()
    model_version: Annotated[str | None, flag("Version, where there are several.", metavar="VERSION")] = None
    weights_tags: Annotated[
        str | None,
        flag(
            "Choose model and files by tags, among those of --model-name if that is given; -TAG: not that one.",
            metavar="TAG,TAG",
        ),
    ] = None
    weights: Annotated[
        Path | None,
        flag("Local file for the model's graph; its sha256 must be the manifest's.", metavar="FILE"),
    ] = None
    allow_hooks: Annotated[bool, flag("Run the Python hooks of the model's manifest.")] = False
    precision: Annotated[
        str | None,
        flag("Precision that the framework shall compute in (fp32, bf16, …), where it has the choice.", metavar="NAME"),
    ] = None
    options: Annotated[
        tuple[str, ...],
        flag("Option of the framework's predictor; may be repeated.", "--option", metavar="KEY=VALUE"),
    ] = ()

    def values(self) -> dict[str, Any]:
        """As for :class:`FlagGroup`."""
        values = super().values() | {"options": _values.options("--option", self.options)}
        precision = values.pop("precision")
        if precision is not None:
            values["options"]["precision"] = precision
        names = values.pop("model_names")
        return _values.chosen({**values, "model_name": names[0] if names else None}, "model_name", "weights_tags")

    def axes(self) -> list[dict[str, str | None]]:
        """Every model, as a field of a request; without names the request stays as it is."""
        names = _values.comma_list(self.model_names)
        if "all" in names:
            from mlscope.manifests import full_name, list_models

            names = tuple(full_name(found) for found in list_models())
        return [{"model_name": name} for name in names] or [{}]


@group("Data", 20)
@dataclasses.dataclass(frozen=True, kw_only=True)
class DataFlags(FlagGroup):
    """Which data."""

    dataset_name: Annotated[
        str | None,
        flag(
            "A built-in data set's name or a manifest's path. Default: the model's own, or a built-in one with as many "
            "classes.",
            metavar="NAME",
        ),
    ] = None
    images_tags: Annotated[
        str | None,
        flag("Choose the data set by tags; `preprocessed` and `original` also say how it is fed.", metavar="TAG,TAG"),
    ] = None
    dataset_path: Annotated[Path | None, flag("Folder with the data set's list and pictures.", metavar="DIR")] = None
    preprocess: Annotated[
        Literal["auto", "cached", "inline"],
        flag(
            "cached: pictures are prepared up to mean and scale once, and kept. inline: anew in each run. auto: inline "
            "where it is timed (predict), else cached (benchmark).",
            converter=_values.choice,
        ),
    ] = "auto"
    dataset_category: Annotated[
        Literal["vision"],
        flag(
            "Accepted for old scripts; there are only data sets of pictures.",
            show_choices=False,
            show_default=False,
            metavar="vision",
        ),
    ] = "vision"

    def values(self) -> dict[str, Any]:
        """As for :class:`FlagGroup`."""
        values = super().values()
        del values["dataset_category"]
        return _values.chosen(values, "dataset_name", "images_tags")


@group("Input list", 25)
@dataclasses.dataclass(frozen=True, kw_only=True)
class PartFlags(FlagGroup):
    """How much of the data."""

    partition_list_size: Annotated[
        int | None,
        flag(
            "Samples of one part of the input list. Default: the batch size.",
            "--partition-list-size",
            "-p",
            metavar="N",
        ),
    ] = None
    num_file_parts: Annotated[int, flag("Evaluate only the first N parts; -1: all of them.", metavar="N")] = -1
    warmup: Annotated[
        int,
        flag(
            "Warm-up batches; kept as data, marked, and in no statistic.",
            "--warmup",
            "--warmup-num-file-parts",
            metavar="N",
        ),
    ] = 1


@group("Input list", 25)
@dataclasses.dataclass(frozen=True, kw_only=True)
class UrlFlags(FlagGroup):
    """Where the pictures of ``predict urls`` are."""

    urls_file_path: Annotated[Path | None, flag("File with one path, glob or address a line.", metavar="FILE")] = None
    duplicate_input: Annotated[int, flag("Take the whole list this many times.", metavar="N")] = 1
    partition_list_size: Annotated[
        int | None,
        flag(
            "Pictures of one part of the list. Default: the batch size.",
            "--partition-list-size",
            "-p",
            metavar="N",
        ),
    ] = None
    num_file_parts: Annotated[
        int,
        flag("Only the first N parts; -1: all of them.", "--num-url-parts", "--num-file-parts", metavar="N"),
    ] = -1
    warmup: Annotated[
        int,
        flag(
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


@group("Execution", 30)
@dataclasses.dataclass(frozen=True, kw_only=True)
class ExecutionFlags(FlagGroup):
    """How the model runs."""

    batch_size: Annotated[int, flag("Samples of one call of the model.", "--batch-size", "-b", metavar="N")] = 1
    fail_on_error: Annotated[bool, flag("End at the first sample that fails.")] = False
    gpu: Annotated[bool, flag("Run on the GPU; an error where there is none.", "--gpu", "--use-gpu")] = False
    gpu_device_id: Annotated[int, flag("Which GPU.", metavar="N")] = 0
    threads: Annotated[
        int | Literal["auto"] | None,
        flag(
            "Threads of each model process, or of each of its streams; auto (benchmark): calibrated. "
            "Default: chosen from the cores.",
            metavar="N",
            converter=_values.whole_or_auto,
            show_choices=False,
        ),
    ] = None
    loader_processes: Annotated[
        int | None,
        flag("Processes that decode pictures ahead. Default: chosen from the cores.", metavar="N"),
    ] = None
    seed: Annotated[int, flag("Seed of everything that is random.", metavar="N")] = 0
    worker_prefix: Annotated[
        str,
        flag(
            "Command put before the model process, for instance 'perf record -g'; of a container, inside it.",
            metavar="COMMAND",
        ),
    ] = ""
    env: Annotated[
        tuple[str, ...],
        flag(
            "Environment variable of the model process; may be repeated. The caller's are passed on anyway.",
            "--env",
            metavar="KEY=VALUE",
        ),
    ] = ()

    def values(self) -> dict[str, Any]:
        """As for :class:`FlagGroup`."""
        return super().values() | {"env": _values.pairs("--env", self.env)}


@group("Execution", 30)
@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkerFlags(FlagGroup):
    """Model processes; LoadGen's tests always have one."""

    workers: Annotated[int | None, flag("Model processes that share the work. Default: one.", metavar="N")] = None


@group("Record", 40)
@dataclasses.dataclass(frozen=True, kw_only=True)
class RecordFlags(FlagGroup):
    """What is kept, and where."""

    experiment: Annotated[str | None, flag("Name under which runs belong together.", metavar="NAME")] = None
    tags: Annotated[tuple[str, ...], flag("Tags, separated by commas.", "--tags", metavar="A,B")] = ()
    repetitions: Annotated[int, flag("Measure this many times, one record each.", metavar="N")] = 1
    no_record: Annotated[bool, flag("Keep nothing; the terminal's output is all.")] = False
    publish: Annotated[bool, flag("Also copy the record and its files to --database-address.")] = False
    publish_predictions: Annotated[bool, flag("With --publish: copy every prediction too (can be large).")] = False
    trace_level: Annotated[
        str,
        flag(
            "NO_TRACE, APPLICATION_TRACE, MODEL_TRACE, FRAMEWORK_TRACE (layers), LIBRARY_TRACE (oneDNN), "
            "SYSTEM_LIBRARY_TRACE, HARDWARE_TRACE (counters) or FULL_TRACE, each with all before it. Several, "
            "separated by commas: each is measured, and one table shows what it costs.",
            metavar="LEVEL",
        ),
    ] = "APPLICATION_TRACE"
    tracer_address: Annotated[
        str | None,
        flag(
            "Send the spans, too: http://HOST:4318 or grpc://HOST:4317 (OTLP), zipkin://HOST:9411 "
            "(docs/trace-export.md).",
            metavar="ADDRESS",
        ),
    ] = None

    def values(self) -> dict[str, Any]:
        """As for :class:`FlagGroup`."""
        values = super().values()
        values["record"] = not values.pop("no_record")
        values["tags"] = _values.comma_list(self.tags)
        return values

    def axes(self) -> list[dict[str, str | None]]:
        """Every trace level, as a field of a request; of one alone the request stays as it is."""
        levels = _values.comma_list([self.trace_level])
        if len(levels) < 2:
            return [{}]
        from mlscope.plan import parse_trace_level

        names = dict.fromkeys(parse_trace_level(name).name for name in levels)
        return [{"trace_level": name} for name in names]


@group("Database", 50)
@dataclasses.dataclass(frozen=True, kw_only=True)
class DatabaseFlags(FlagGroup):
    """Which database."""

    database_address: Annotated[
        str | None,
        flag("sqlite:///FILE or postgresql://USER@HOST/DATABASE. Default: this machine's runs.", metavar="ADDRESS"),
    ] = None
    database_name: Annotated[
        str | None, flag("File of an SQLite address, schema of a PostgreSQL one.", metavar="NAME")
    ] = None


@group("Output", 60)
@dataclasses.dataclass(frozen=True, kw_only=True)
class FormatFlags(FlagGroup):
    """How the result is shown."""

    format: Annotated[
        Literal["table", "json"],
        flag("Text for people, or one JSON document.", "--format", "-f", converter=_values.choice),
    ] = "table"


@group("Output", 60)
@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputFlags(FlagGroup):
    """How and where a report is written."""

    format: Annotated[
        Literal["table", "json", "csv"],
        flag("Text for people, one JSON document, or CSV.", "--format", "-f", converter=_values.choice),
    ] = "table"
    output: Annotated[Path | None, flag("Write to a file, not to stdout.", "--output", "-o", metavar="FILE")] = None
    append: Annotated[bool, flag("Add to the output file.")] = False
    overwrite: Annotated[bool, flag("Replace the output file.")] = False
    no_header: Annotated[bool, flag("Leave out the header line of tables and CSV.")] = False


@group("Filter", 10)
@dataclasses.dataclass(frozen=True, kw_only=True)
class FilterFlags(FlagGroup):
    """Which evaluations; all given filters must agree."""

    model_name: Annotated[str | None, flag("Model's name; `all`: no filter.", metavar="NAME")] = None
    model_version: Annotated[str | None, flag("Model's version.", metavar="VERSION")] = None
    framework_name: Annotated[str | None, flag("Framework's name.", metavar="NAME")] = None
    framework_version: Annotated[str | None, flag("Framework's version.", metavar="VERSION")] = None
    dataset_name: Annotated[str | None, flag("Data set's name.", metavar="NAME")] = None
    arch: Annotated[str | None, flag("Architecture of the machine: amd64, arm64, ...", metavar="ARCH")] = None
    hostname: Annotated[str | None, flag("Name of the machine.", metavar="NAME")] = None
    batch_size: Annotated[int | None, flag("Batch size.", "--batch-size", "-b", metavar="N")] = None
    experiment: Annotated[str | None, flag("Experiment's name.", metavar="NAME")] = None
    tag: Annotated[str | None, flag("One of the tags.", metavar="TAG")] = None
    scenario: Annotated[str | None, flag("LoadGen's scenario.", metavar="NAME", converter=_values.scenario)] = None
    kind: Annotated[
        Literal["own", "rehearsal", "ck", "official", "table"] | None,
        flag("Where it comes from: measured here, or imported.", converter=_values.choice),
    ] = None
    limit: Annotated[int, flag("Only the newest N; -1: all.", metavar="N")] = -1

    def values(self) -> dict[str, Any]:
        """Filter's field → value, only those that were given."""
        values = {name: value for name, value in super().values().items() if name != "limit" and value is not None}
        if values.get("model_name") == "all":
            del values["model_name"]
        return values
