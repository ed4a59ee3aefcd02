"""From a point of CK to a record."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mlscope._origin import origin
from mlscope._schema import canonical_digest
from mlscope.results import AccuracyResult, Failure, Record, SubmissionResult, System, Timings
from mlscope.submissions._accuracy_text import counted
from mlscope.submissions._ck import Names, Point, names_of
from mlscope.submissions._logs import LoadGenLog, read_logs
from mlscope.submissions._metric import official_metric
from mlscope.submissions._official import NOT_DATED, latency_results, loadgen_result
from mlscope.submissions._values import tidy_text

__all__ = ["ck_record"]

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_VERSION = re.compile(r"(.*?)-v(\d.*)")
_ROUNDS = {".5": "v0.5"}
"""Beginning of LoadGen's version → round; CK's submissions of later rounds have logs of their own."""


def ck_record(point: Point, identifier: str, logs: Path) -> Record:
    """The record of one repetition of a point.

    Args:
        point: Of an archive.
        identifier: The record's id.
        logs: Folder with the point's LoadGen logs (:func:`~mlscope.submissions._ck.write_logs`).
    """
    choices = _object(point.data, "choices")
    env = {str(key): str(value) for key, value in _object(choices, "env").items()}
    names, log = names_of(point.tags), read_logs(logs)
    scenario = names.scenario or env.get("CK_LOADGEN_SCENARIO") or log.scenario
    mode = names.mode or env.get("CK_LOADGEN_MODE") or log.mode
    framework, version = _framework(names.library)
    metric = official_metric(log, scenario or "", names.benchmark) if mode == "PerformanceOnly" else None
    versions = _versions(point.pipeline)
    failed = point.run.get("run_success_bool") is False or point.run.get("run_success") == "no"
    mlscope = origin()
    return Record(
        id=identifier,
        kind="ck",
        status="failed" if failed else "complete",
        created_at=log.started_at or point.made_at or NOT_DATED,
        command=f"ck benchmark program:{_text(choices, 'data_uoa')}",
        plan_id=canonical_digest([choices, versions])[:16],
        experiment=tidy_text(point.entry.name),
        tags=tuple(dict.fromkeys(point.tags)),
        repetition=point.repetition,
        model_name=names.benchmark or _weights(point.pipeline),
        model_version=versions.get("weights", ""),
        dataset_name="imagenet" if "imagenet" in _tags(point.pipeline, "images") else None,
        framework_name=framework,
        framework_version=version,
        batch_size=int(env["CK_BATCH_SIZE"]) if env.get("CK_BATCH_SIZE", "").isdecimal() else 0,
        using_gpu=names.library.startswith("tensorrt"),
        trace_level="NO_TRACE",
        scenario=scenario,
        mode=mode,
        system=_system(point, names),
        lock_sha256="",
        mlscope_version=mlscope.version,
        mlscope_commit=mlscope.commit,
        mlscope_dirty=mlscope.dirty,
        accuracy=_accuracy(point.run),
        latency=latency_results(log) if metric else (),
        loadgen=loadgen_result(log, metric),
        timings=Timings(total_ns=_nanoseconds(point.run.get("execution_time_with_module"))),
        effective={"choices": choices, "versions": versions},
        submission=_submission(names, log, scenario),
        failure=Failure(kind="WorkerError", message="the program failed, as CK recorded", exit_code=8)
        if failed
        else None,
        warnings=log.problems,
    )


def _submission(names: Names, log: LoadGenLog, scenario: str | None) -> SubmissionResult | None:
    """The place in a submission that the tags speak of."""
    if not (names.division and names.benchmark and scenario):
        return None
    return SubmissionResult(
        round=next((name for start, name in _ROUNDS.items() if log.version.startswith(start)), None),
        division=names.division,
        submitter="",
        system=names.system,
        benchmark=names.benchmark,
        scenario=scenario,
    )


def _system(point: Point, names: Names) -> System:
    features = _object(point.data, "features")
    platform = _object(features, "platform")
    cpu, os, board = (_object(platform, key) for key in ("cpu", "os", "platform"))
    abi = _text(os, "abi")
    count = _text(cpu, "num_proc")
    return System(
        hostname=names.platform or _text(board, "model"),
        machine_architecture=_ARCHITECTURES.get(abi, abi),
        cpu_name=_text(cpu, "name") or _text(board, "model"),
        cpu_count=int(count) if count.isdecimal() and len(count) < 6 else 0,
        memory_bytes=0,
        operating_system=_text(os, "name"),
        kernel=_text(os, "name_short").removeprefix("Linux "),
        python=_versions(point.pipeline).get("python", ""),
        details=features,
    )


def _accuracy(run: dict[str, Any]) -> AccuracyResult | None:
    good, total = run.get("good"), run.get("total")
    return counted(good, total) if isinstance(good, int) and isinstance(total, int) and good >= 0 else None


def _framework(library: str) -> tuple[str, str]:
    """Name and version of ``armnn-v19.08``."""
    found = _VERSION.fullmatch(library)
    return (found[1], found[2]) if found else (library, "")


def _versions(pipeline: dict[str, Any]) -> dict[str, str]:
    """Dependency → version, of those that have one."""
    found = _object(pipeline, "dependencies")
    return {str(name): str(each["ver"]) for name, each in found.items() if isinstance(each, dict) and each.get("ver")}


def _weights(pipeline: dict[str, Any]) -> str:
    return _text(_object(_object(pipeline, "dependencies"), "weights"), "name")


def _tags(pipeline: dict[str, Any], name: str) -> list[str]:
    return _text(_object(_object(pipeline, "dependencies"), name), "tags").split(",")


def _object(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _text(value: dict[str, Any], key: str) -> str:
    found = value.get(key)
    return found.strip() if isinstance(found, str) else ""


def _nanoseconds(seconds: object) -> int:
    usable = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds < 1e9
    return round(float(seconds) * 1e9) if usable and isinstance(seconds, int | float) else 0
