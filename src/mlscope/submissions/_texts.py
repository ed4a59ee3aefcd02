"""What a submission says in words: how a model was made, and the commands that measured it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlscope.errors import UsageError
from mlscope.plan import LoadRequest, Plan, Request
from mlscope.submissions._parts import Measured, Part

__all__ = ["MEASUREMENTS", "code_readme", "command_of", "measurements", "result_readme"]

MEASUREMENTS = (
    "input_data_types",
    "retraining",
    "starting_weights_filename",
    "weight_data_types",
    "weight_transformations",
)
"""Keys of the JSON beside a result; none may be empty."""

_TYPES = {
    "float32": "fp32",
    "float16": "fp16",
    "bfloat16": "bf16",
    "uint8": "uint8",
    "int8": "int8",
    "int32": "int32",
    "int64": "int64",
}
_WEIGHT_TYPES = ("fp32", "fp16", "bf16", "int8", "uint8", "int4")

_FLAGS = {
    "weights_tags": "weights-tags",
    "images_tags": "images-tags",
    "framework": "framework",
    "packages": "package",
    "options": "option",
    "max_delay_s": "max-delay",
    "min_duration_s": "min-duration",
    "max_duration_s": "max-duration",
    "target_latency_ms": "target-latency",
    "interval_ms": "interval",
    "settings": "setting",
    "shapes": "shape",
    "quiet_timeout_s": "quiet-timeout",
}
"""Field of a request → its flag, where that is not the field's name."""

_SILENT = frozenset(
    [
        "command",
        "load",
        "workload",
        "urls",
        "experiment",
        "tags",
        "repetitions",
        "record",
        "rehearsal",
        "publish",
        "publish_predictions",
        "database_address",
        "database_name",
        "secret",
        "offline",
        "floor",
        "recalibrate",
        "tracer_address",
        "trace_level",
        "model_name",
    ]
)
"""Fields that do not decide what is measured, or are written otherwise."""


def measurements(plan: Plan, given: Mapping[str, str]) -> dict[str, str]:
    """The JSON beside a result.

    Args:
        plan: Of the performance run.
        given: What the user says instead of what the manifest tells.

    Raises:
        UsageError: A key that there is not, or one that the manifest does not tell.
    """
    unknown = [key for key in given if key not in MEASUREMENTS]
    if unknown:
        known = ", ".join(MEASUREMENTS)
        raise UsageError(f'"{unknown[0]}" is none of the facts about a model', hint=f"these are: {known}")
    found = _told(plan) | {key: value for key, value in given.items() if value.strip()}
    missing = [key for key in MEASUREMENTS if key not in found]
    if missing:
        raise UsageError(
            f"the manifest of {plan.model.name} does not tell its {' and '.join(missing)}",
            hint=f"say it: --measurement {missing[0]}=fp32",
        )
    return {key: found[key] for key in MEASUREMENTS}


def _told(plan: Plan) -> dict[str, str]:
    manifest = plan.model.manifest
    entry = _entry(plan)
    recipe: Mapping[str, Any] | None = entry.get("recipe")
    found = {"retraining": "no", "weight_transformations": f"recipe {recipe['script']}" if recipe else "none"}
    inputs = manifest.get("inputs") or [{}]
    found["input_data_types"] = _TYPES[inputs[0].get("element_type", "float32")]
    if not plan.model.weights:
        return found | {"starting_weights_filename": "none", "weight_data_types": "none"}
    sources = [*(recipe["sources"].values() if recipe else ()), entry.get("graph")]
    found["starting_weights_filename"] = _origin(next(filter(None, sources), None), plan)
    tags = [tag for tag in entry.get("tags", ()) if tag in _WEIGHT_TYPES]
    return found | ({"weight_data_types": tags[0]} if tags else {})


def _entry(plan: Plan) -> Mapping[str, Any]:
    """The manifest's entry about the files that were used: the one whose digest was, else the framework's first."""
    used = {each.sha256 for each in plan.model.weights}
    entries: list[Mapping[str, Any]] = [
        each for each in plan.model.manifest.get("weights", ()) if each.get("framework") == plan.framework.name
    ]
    same = (each for each in entries if (each.get("graph") or {}).get("sha256") in used)
    return next(same, entries[0] if entries else {})


def _origin(asset: Mapping[str, Any] | None, plan: Plan) -> str:
    source = str((asset or {}).get("source", ""))
    if source.startswith(("http://", "https://", "pypi:")):
        member = (asset or {}).get("member")
        return f"{source} ({member})" if member else source
    return Path(source.removeprefix("file:")).name or plan.model.weights[0].name


def command_of(part: Part) -> str:
    """The command line that measures the same; paths by their last part, conf files as they are called in the tree."""
    request = part.request()
    model = Path(request.model_name).name if "/" in request.model_name else request.model_name
    words = ["mlscope", "benchmark", "--model-name", model]
    words += _words(request, Request(command="benchmark"), _SILENT)
    load = request.load or LoadRequest()
    words += _words(load, LoadRequest(), frozenset({"user_conf", "mlperf_conf", "audit_conf", "multistream"}))
    confs = {"user-conf": ("user_conf", "user.conf"), "audit-conf": ("audit_conf", f"{part.role}.audit.config")}
    for flag, (field, name) in confs.items():
        if getattr(load, field) is not None:
            words += [f"--{flag}", name]
    return shlex.join(words)


def _words(values: Request | LoadRequest, plain: Request | LoadRequest, silent: frozenset[str]) -> Iterator[str]:
    """Flags for what differs from the defaults."""
    for field in type(values).model_fields:
        value = getattr(values, field)
        if field in silent or value == getattr(plain, field):
            continue
        name = f"--{_FLAGS.get(field, field.replace('_', '-'))}"
        if value is True:
            yield name
        elif isinstance(value, Mapping):
            yield from (word for key, each in value.items() for word in (name, f"{key}={_text(each)}"))
        elif isinstance(value, tuple) and field == "packages":
            yield from (word for each in value for word in (name, str(each)))
        else:
            yield from (name, ",".join(map(str, value)) if isinstance(value, tuple) else _text(value))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "x".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    path = isinstance(value, Path) or (isinstance(value, str) and value.startswith("/"))
    return Path(str(value)).name if path else str(value)


def result_readme(measured: Measured, round_name: str, notes: Sequence[str]) -> str:
    """README.md of one result: what was measured, and the exact commands.

    Args:
        measured: The runs.
        round_name: Of the round.
        notes: Paragraphs that come first: that it is a rehearsal, or from which scenario the result is inferred.
    """
    part = measured.performance
    plan, record = part.plan, part.record
    data, run = plan.dataset, plan.execution
    files = [f"- {each.role}: `{each.name}`, sha256 `{each.sha256}`" for each in plan.model.weights]
    assert record.loadgen is not None
    facts = [
        f"- model: {plan.model.name} {plan.model.version}, manifest sha256 `{plan.model.manifest_sha256}`",
        *files,
        f"- framework: {plan.framework.name} {plan.framework.version}",
        f"- data set: {data.name} {data.version}, {data.count} samples, sha256 `{data.sha256}`" if data else "",
        f"- batch size {run.batch_size}, {run.streams} streams of {run.threads} threads",
        f"- LoadGen {record.loadgen.version}",
        f"- mlscope {record.mlscope_version}{f', commit {record.mlscope_commit}' if record.mlscope_commit else ''}",
    ]
    parts = [measured.accuracy, part, *measured.tests().values()]
    steps = "\n".join(f"# {each.role}\n{command_of(each)}" for each in parts)
    return "\n".join(
        [
            f"# MLPerf Inference {round_name}: {plan.model.name}, {measured.scenario}",
            "",
            *(line for note in notes for line in (note, "")),
            *filter(None, facts),
            "",
            "## Commands",
            "",
            "Paths are shown by their last part. The software is that of `lock.json` beside the code.",
            "",
            f"```bash\n{steps}\n```",
            "",
        ]
    )


def code_readme(plan: Plan, mlscope_version: str, commit: str | None) -> str:
    """README.md of the implementation's folder."""
    where = f" (commit {commit})" if commit else ""
    return "\n".join(
        [
            f"# {plan.model.name} on {plan.framework.name} {plan.framework.version}",
            "",
            f"Measured by mlscope {mlscope_version}{where}, which runs MLPerf's official LoadGen.",
            "",
            "- `model.json`: the model's manifest as it was used: files with their sha256, inputs, steps from picture",
            "  to tensor, outputs",
            "- `lock.json`: every package of the software that ran it, with its digest",
            "- `*.audit.config`: the settings of the compliance tests",
            "",
            "Each result's README.md holds the exact commands.",
            "",
        ]
    )
