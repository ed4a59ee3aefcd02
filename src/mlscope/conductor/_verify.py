"""``mlscope verify``: whether a recorded run can be reproduced, with both runs' uncertainty counted."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal

from mlscope.analyses import Comparison, Limits, MetricComparison, Side, compare
from mlscope.assets import unpack
from mlscope.conductor._compare import find_side
from mlscope.conductor._evaluate import evaluate_prepared
from mlscope.conductor._outcome import Observer, SilentObserver
from mlscope.conductor._recover import recover
from mlscope.conductor._rerun import prepare_again
from mlscope.errors import StoreError, UsageError
from mlscope.results import Evaluation, Record, open_store, read_record, run_folder, verify_folder

__all__ = ["Check", "Verification", "verify"]

Verdict = Literal["reproduced", "not reproduced", "not enough data", "not judged"]

_MAIN = ("p50", "mean", "throughput")
"""Figures without which a speed is not verified; of the others only a clear difference counts."""
_LOOKED_AT = ("p50", "p90", "p99", "mean", "throughput", "LoadGen metric")
_MOST = 200
"""A larger number is no advice."""
_CODE = ("worker_prefix", "env", "allow_hooks")
"""What of a request runs code or could: nobody's archive may bring it unasked."""


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    verdict: Verdict
    detail: str
    decides: bool = True
    """Whether the whole is not verified as long as this has not enough data."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verification:
    """What became of a recorded run when it was repeated."""

    original: Record
    again: tuple[Record, ...]
    comparison: Comparison
    same_machine: bool
    checks: tuple[Check, ...]

    @property
    def verdict(self) -> Verdict:
        """Of the whole."""
        verdicts = {check.verdict for check in self.checks}
        if "not reproduced" in verdicts:
            return "not reproduced"
        if any(check.verdict == "not enough data" and check.decides for check in self.checks):
            return "not enough data"
        return "reproduced" if "reproduced" in verdicts else "not judged"


def verify(
    target: str,
    limits: Limits,
    observer: Observer | None = None,
    *,
    repetitions: int = 1,
    trust: bool = False,
    offline: bool = False,
) -> Verification:
    """Repeat a recorded run on the software of its lock, and judge each finding.

    Args:
        target: The run's id (or the beginning of it), or a zipped run folder.
        limits: How far the repetition may be off.
        observer: Hears how it goes.
        repetitions: How often it is repeated.
        trust: Run what an archive brings of code: hooks, a command before the worker's, environment variables.
        offline: Use only what is on this machine.

    Raises:
        StoreError: There is no such run, or its files are not those that were sealed.
        AssetError: The archive is damaged or unsafe.
        UsageError: The archive brings code, and nobody said that it is trusted.
        MlscopeError: The software, the model or the data cannot be had, or the repetition failed.
    """
    hears = observer or SilentObserver()
    recover(hears)
    with _folder(target) as folder:
        original = _intact(folder)
        if original.status != "complete":
            raise UsageError(f"this run was {original.status}, so there is nothing to verify", where=original.id)
        archived = not folder.is_relative_to(run_folder_root())
        if archived and not trust:
            _refuse_code(folder)
        prepared, inputs = prepare_again(folder, hears, offline=offline, experiment=None, tags=("verify",))
        changed = prepared.plan.plan_id != original.plan_id
        again = []
        for _ in range(repetitions):
            outcome = evaluate_prepared(prepared, inputs, hears)[0]
            if outcome.error is not None:
                raise outcome.error
            assert outcome.folder is not None
            again.append(Evaluation.from_folder(outcome.folder))
        before = Side(target, (Evaluation.from_folder(folder),))
        comparison = compare(before, Side("the repetition", tuple(again)), limits)
    records = tuple(each.record for each in again)
    same = _same_machine(original, records[0])
    checks = [
        Check(
            "plan", "not judged" if changed else "reproduced", "changed, see the warnings" if changed else "the same"
        ),
        _software(original, records[0]),
        *_answers(comparison),
        *_loadgen(original, records[0], same),
        *_speed(comparison, limits, same),
    ]
    return Verification(original, records, comparison, same, tuple(checks))


def run_folder_root() -> Path:
    """Where this machine's runs lie."""
    from mlscope._home import runs_dir

    return runs_dir()


@contextmanager
def _folder(target: str) -> Iterator[Path]:
    """The run folder that is meant, unpacked for as long as it is needed."""
    path = Path(target)
    if not path.is_file():
        if path.suffix == ".zip":
            raise StoreError("there is no such file", where=target)
        yield run_folder(find_side(open_store(), target).records[0].id)
        return
    if not zipfile.is_zipfile(path):
        raise UsageError("this is no zipped run folder", where=target, hint="zip a folder of runs/, or give a run's id")
    scratch = Path(tempfile.mkdtemp(prefix="mlscope-"))
    try:
        yield _unzip(path, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _unzip(archive: Path, scratch: Path) -> Path:
    """The run folder of an archive, under its own name."""
    unpacked = scratch / "unpacked"
    unpacked.mkdir()
    unpack(archive, lambda name: name, unpacked, shown=str(archive))
    found = sorted(unpacked.glob("evaluation.json")) or sorted(unpacked.glob("*/evaluation.json"))
    if len(found) != 1:
        raise UsageError(f"the archive holds {len(found)} run folders, not one", where=str(archive))
    record = read_record(found[0].parent)
    if not PurePosixPath(record.id).name == record.id or not record.id.isalnum():
        raise StoreError("the archive's record has no proper id", where=str(archive))
    folder = scratch / record.id
    found[0].parent.rename(folder)
    return folder


def _intact(folder: Path) -> Record:
    problems = verify_folder(folder)
    if problems:
        more = f" and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise StoreError(f"the run is not as it was sealed: {problems[0]}{more}", where=folder.name)
    return read_record(folder)


def _refuse_code(folder: Path) -> None:
    path = folder / "request.json"
    request = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    brought = [name for name in _CODE if request.get(name)]
    if brought:
        raise UsageError(
            f"the archive brings what runs code here: {', '.join(brought)}",
            where="request.json",
            hint="read it, then allow it with --trust",
        )


def _same_machine(one: Record, two: Record) -> bool:
    names = ("machine_architecture", "cpu_name", "cpu_count", "gpu_names")
    return all(getattr(one.system, name) == getattr(two.system, name) for name in names)


def _software(one: Record, two: Record) -> Check:
    if one.lock_sha256 == two.lock_sha256:
        return Check("software", "reproduced", "every package of the lock, by its digest")
    return Check("software", "not judged", "the lock is not the same, for instance since mlscope itself changed")


def _answers(found: Comparison) -> Iterator[Check]:
    answers, accuracy = found.predictions, found.accuracy
    if answers is None:
        yield Check("answers", "not judged", "a side keeps none")
    elif answers.identical:
        yield Check("answers", "reproduced", f"identical, bit by bit, for {answers.samples} samples")
    else:
        detail = f"{answers.same_class} of {answers.samples} best classes are the same"
        worst = next(each.worst for each in answers.divergences if each.name.startswith("Jensen"))
        verdict: Verdict = "not reproduced" if answers.different else "reproduced"
        yield Check("answers", verdict, f"{detail}; largest Jensen-Shannon divergence {worst:.3g}")
    if accuracy is None:
        yield Check("accuracy", "not judged", "a side has none")
        return
    detail = (
        f"{100 * accuracy.first:.2f} % then, {100 * accuracy.second:.2f} % now; "
        f"interval of the difference {100 * accuracy.low:+.2f} to {100 * accuracy.high:+.2f} points"
    )
    verdicts: dict[str, Verdict] = {"no difference": "reproduced", "not enough data": "not enough data"}
    yield Check("accuracy", verdicts.get(accuracy.verdict, "not reproduced"), detail)


def _loadgen(one: Record, two: Record, same: bool) -> Iterator[Check]:
    if one.loadgen is None or two.loadgen is None or one.loadgen.validity is None:
        return
    detail = f"{one.loadgen.validity} then, {two.loadgen.validity} now"
    agree = one.loadgen.validity == two.loadgen.validity
    yield Check("LoadGen's verdict", "not judged" if not same else "reproduced" if agree else "not reproduced", detail)


def _speed(found: Comparison, limits: Limits, same: bool) -> Iterator[Check]:
    for metric in found.metrics:
        if metric.name not in _LOOKED_AT:
            continue
        ratio = metric.ratio
        interval = (
            "" if ratio.low is None or ratio.high is None else f", 95 % interval {ratio.low:.3f} to {ratio.high:.3f}"
        )
        detail = f"ratio {ratio.value:.3f}{interval}"
        if not same:
            yield Check(metric.name, "not judged", f"{detail}; other hardware")
            continue
        verdict = _within(metric, limits.margin)
        if verdict == "not enough data" and metric.more:
            detail += f"; further repetitions needed: {min(metric.more, _MOST)}{'+' if metric.more > _MOST else ''}"
        yield Check(metric.name, verdict, detail, decides=metric.name in _MAIN)


def _within(metric: MetricComparison, margin: float) -> Verdict:
    """Reproduced: the whole interval lies within the margin; not reproduced: the whole of it lies beyond."""
    low, high = metric.ratio.low, metric.ratio.high
    if low is None or high is None:
        return "not enough data"
    reach = math.log1p(margin)
    if -reach <= math.log(low) and math.log(high) <= reach:
        return "reproduced"
    return "not reproduced" if math.log(low) > reach or math.log(high) < -reach else "not enough data"
