"""Own runs as CK would have recorded them: one entry an experiment, one point a run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mlscope._files import explain_os_errors
from mlscope.results import Record
from mlscope.submissions._ck import ACCURACY_LOG
from mlscope.submissions._detail import DETAIL_FILE
from mlscope.submissions._summary import SUMMARY_FILE

__all__ = ["flat", "write_entries"]

_MODULE = "bc0409fb61f0aa82"
"""CK's id of its module ``experiment``."""
_ABIS = {"amd64": "x86_64", "arm64": "aarch64"}
_MODES = {"PerformanceOnly": "performance", "AccuracyOnly": "accuracy", "SubmissionRun": "submission"}
_STRANGE = re.compile(r"[^A-Za-z0-9_+.-]+")


def write_entries(runs: Sequence[tuple[Record, Path]], root: Path) -> int:
    """Write runs as entries of a CK repository.

    Args:
        runs: Records and their sealed folders.
        root: The repository's folder.

    Returns:
        How many files were written.

    Raises:
        ResourceError: The folder cannot be written.
    """
    entries: dict[str, list[tuple[Record, Path]]] = {}
    for record, folder in sorted(runs, key=lambda run: run[0].id):
        entries.setdefault(_entry_name(record), []).append((record, folder))
    count = 0
    for name, points in entries.items():
        files: dict[str, str] = dict(_entry_files(name, points))
        for record, folder in points:
            files |= _point_files(name, record, folder)
        for place, text in files.items():
            path = root / place
            with explain_os_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="")
        count += len(files)
    return count


def _tags(record: Record) -> list[str]:
    """Tags by their places, as CK's scripts read them; a part without a name is left out."""
    parts = [
        "mlperf",
        "open",
        "image-classification",
        record.system.hostname,
        f"{record.framework_name}-v{record.framework_version}",
        record.model_name,
        (record.scenario or "").lower(),
        _MODES.get(record.mode or "", "accuracy"),
    ]
    return [_STRANGE.sub("-", part) for part in parts if part]


def _entry_name(record: Record) -> str:
    if record.experiment:
        mode = _MODES.get(record.mode or "", "accuracy")
        return _STRANGE.sub("-", f"{record.experiment}.{(record.scenario or record.command).lower()}.{mode}").strip(".")
    return ".".join(_tags(record))


def _uid(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _entry_files(name: str, points: list[tuple[Record, Path]]) -> Iterator[tuple[str, str]]:
    """What the points of an entry have in common: names, tags, the pipeline."""
    first = points[0][0]
    uid, when = _uid(name), first.created_at.replace(tzinfo=None).isoformat()
    by = {"engine": "mlscope", "iso_datetime": when, "version": first.mlscope_version.split(".")}
    meta = {"added": by, "meta": {}, "points": str(len(points)), "tags": _tags(first)}
    info = {
        "backup_data_uid": uid,
        "backup_module_uid": _MODULE,
        "backup_module_uoa": "experiment",
        "control": by,
        "data_name": name,
    }
    base = f"experiment/{name}"
    yield ".cm/alias-a-experiment", f"{_MODULE}\n"
    yield f".cm/alias-u-{_MODULE}", "experiment\n"
    yield f"experiment/.cm/alias-a-{name}", f"{uid}\n"
    yield f"experiment/.cm/alias-u-{uid}", f"{name}\n"
    yield f"{base}/.cm/meta.json", _json(meta)
    yield f"{base}/.cm/info.json", _json(info)
    yield f"{base}/.cm/desc.json", _json({})
    yield f"{base}/desc.json", _json({"characteristics_desc": {}, "choices_desc": {}, "features_desc": {}})
    yield (
        f"{base}/pipeline.json",
        _json({"choices": _choices(first), "dependencies": _dependencies(first), "tags": ",".join(_tags(first))}),
    )


def _point_files(name: str, record: Record, folder: Path) -> dict[str, str]:
    base = f"experiment/{name}/ckp-{_uid(record.id)}"
    choices, features = _choices(record), _features(record)
    shared = {"choices": choices, "choices_order": [], "features": features}
    return {
        f"{base}.0001.json": _json({**shared, "characteristics_list": [{"run": _run(record, folder)}]}),
        f"{base}.features.json": _json({**shared, "sub_points": 1}),
        f"{base}.features_flat.json": _json({**flat(choices, "##choices"), **flat(features, "##features")}),
        f"{base}.flat.json": _json({}),
    }


def flat(value: object, prefix: str) -> dict[str, Any]:
    """CK's flat form of nested data: ``#key`` for each level, ``@number`` for a place in a list."""
    if isinstance(value, dict):
        return {key: each for name in value for key, each in flat(value[name], f"{prefix}#{name}").items()}
    if isinstance(value, list):
        return {key: each for index, item in enumerate(value) for key, each in flat(item, f"{prefix}@{index}").items()}
    return {prefix: value}


def _choices(record: Record) -> dict[str, Any]:
    settings = record.loadgen.effective_settings if record.loadgen else {}
    env = {
        "CK_BATCH_SIZE": str(record.batch_size),
        "CK_LOADGEN_SCENARIO": record.scenario or "",
        "CK_LOADGEN_MODE": record.mode or "",
        "CK_LOADGEN_BUFFER_SIZE": settings.get("performance_sample_count"),
        "CK_LOADGEN_DATASET_SIZE": settings.get("qsl_reported_total_count"),
        "CK_LOADGEN_MULTISTREAMNESS": settings.get("samples_per_query") if record.scenario == "MultiStream" else None,
    }
    return {
        "cmd_key": "default",
        "data_uoa": _STRANGE.sub("-", f"image-classification-{record.framework_name}-loadgen"),
        "env": {key: str(value) for key, value in env.items() if value not in (None, "")},
    }


def _dependencies(record: Record) -> dict[str, Any]:
    library = {"name": record.framework_name, "tags": f"lib,{record.framework_name}", "ver": record.framework_version}
    found = {
        "weights": {"name": record.model_name, "tags": f"model,{record.model_name}", "ver": record.model_version},
        f"lib-{record.framework_name}": library,
        "python": {"name": "Python interpreter", "tags": "compiler,lang-python", "ver": record.system.python},
    }
    if record.dataset_name:
        found["images"] = {"name": record.dataset_name, "tags": f"dataset,{record.dataset_name}", "ver": ""}
    if record.loadgen:
        found["lib-mlperf_loadgen"] = {"name": "LoadGen", "tags": "lib,mlperf,loadgen", "ver": record.loadgen.version}
    return found


def _features(record: Record) -> dict[str, Any]:
    system = record.system
    return {
        "platform": {
            "cpu": {"name": system.cpu_name, "num_proc": str(system.cpu_count)},
            "os": {
                "abi": _ABIS.get(system.machine_architecture, system.machine_architecture),
                "name": system.operating_system,
                "name_short": f"Linux {system.kernel}",
            },
            "platform": {"model": system.hostname},
        },
        "statistical_repetitions": 1,
    }


def _run(record: Record, folder: Path) -> dict[str, Any]:
    logs = folder / "loadgen"
    entries = logs / ACCURACY_LOG
    found: dict[str, Any] = {
        "execution_time_with_module": record.timings.total_ns / 1e9,
        "mlperf_log": {
            "accuracy": json.loads(entries.read_text(encoding="utf-8") or "[]") if entries.is_file() else [],
            "detail": _lines(logs / DETAIL_FILE),
            "summary": _lines(logs / SUMMARY_FILE),
            "trace": {},
        },
        "parsed_summary": record.loadgen.summary if record.loadgen else {},
        "run_success": "yes" if record.status == "complete" else "no",
        "run_success_bool": record.status == "complete",
        "sideloaded_data": {"mlscope_record": record.model_dump(mode="json", exclude={"files"})},
    }
    if record.accuracy is not None:
        found |= {
            "accuracy": round(100 * record.accuracy.top1, 3),
            "good": record.accuracy.top1_good,
            "total": record.accuracy.evaluated,
        }
    return found


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)


def _json(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"
