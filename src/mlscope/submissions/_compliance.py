"""The compliance tests of image classification: whether they were passed.

TEST01 runs for performance and logs some of the answers, which must be those of the accuracy run. TEST04 sends the same
sample again and again, which must not be faster: answers are not to be kept. The conditions are those of the READMEs of
`compliance/TEST01` and `compliance/TEST04` in mlcommons/inference.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mlscope.submissions._accuracy import LabelType, answers

__all__ = ["AUDITED", "Score", "Verification", "verify_test01", "verify_test01_speed", "verify_test04"]

PASSED, FAILED = "TEST PASS", "TEST FAIL"

_SLACK = 0.10
_SLACK_OF_SHORT = 0.20  # of latencies so short that the operating system shows in them
_SHORT_NS = MappingProxyType({"SingleStream": 200_000, "MultiStream": 1_600_000})


AUDITED: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "TEST01": MappingProxyType(
            {
                "effective_accuracy_log_rng_seed": 720_381_539_243_781_796,
                "effective_accuracy_log_sampling_target": 4096,
            }
        ),
        "TEST04": MappingProxyType(
            {"effective_performance_issue_same": True, "effective_performance_issue_same_index": 3}
        ),
    }
)
"""Test → what LoadGen's detail log says when the test's audit.config is in force (of resnet)."""

_SCORE_KEYS = MappingProxyType(
    {
        "Offline": "result_samples_per_second",
        "SingleStream": "early_stopping_latency_ss",
        "MultiStream": "early_stopping_latency_ms",
        "Server": "result_completed_samples_per_sec",
    }
)


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """What a performance run is judged by."""

    scenario: str
    value: float
    """Nanoseconds of SingleStream and MultiStream; otherwise samples a second."""
    valid: bool
    target_latency_ns: float | None = None

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Score | None:
        """The score of a run.

        Args:
            values: Key → value of its detail log.

        Returns:
            None where the run came to no score.
        """
        scenario = str(values.get("effective_scenario"))
        value = values.get(_SCORE_KEYS.get(scenario, ""))
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            return None
        target = values.get("effective_target_latency_ns") if scenario == "Server" else None
        return cls(
            scenario,
            float(value),
            values.get("result_validity") == "VALID",
            float(target) if isinstance(target, int | float) else None,
        )

    @property
    def rate(self) -> float:
        """Queries or samples a second: more is faster."""
        return 1e9 / self.value if self.scenario in _SHORT_NS else self.value

    @property
    def slack(self) -> float:
        """By what share another run of the same system may differ."""
        return _SLACK_OF_SHORT if self.value <= _SHORT_NS.get(self.scenario, 0) else _SLACK


@dataclasses.dataclass(frozen=True, slots=True)
class Verification:
    """Whether a condition of a test holds."""

    passed: bool
    lines: tuple[str, ...]
    """What was found."""

    @property
    def text(self) -> str:
        """The file `verify_accuracy.txt` or `verify_performance.txt`; checkers look for ``TEST PASS`` in it."""
        return "".join(f"{line}\n" for line in (*self.lines, PASSED if self.passed else FAILED))


def verify_test01(accuracy: Path, test: Path, label_type: LabelType = "float32") -> Verification:
    """Whether the answers that TEST01 logged are those of the accuracy run.

    Args:
        accuracy: `mlperf_log_accuracy.json` of the accuracy run, not truncated.
        test: That of the TEST01 run.
        label_type: Type of the number that an answer begins with, which is compared.

    Raises:
        DataError: One of the logs cannot be read or is truncated.
    """
    known: dict[int, bytes] = {}
    entries = repeated = contradicted = 0
    for answer in answers(accuracy):
        entries += 1
        if known.setdefault(answer.sample, answer.data) is not answer.data:
            repeated += 1
            contradicted += known[answer.sample] != answer.data
    logged = matched = differing = unknown = 0
    for answer in answers(test):
        logged += 1
        if answer.sample not in known:
            unknown += 1
            continue
        matched += 1
        differing += not _same(known[answer.sample], answer.data, label_type)
    lines = (
        "Answers of the performance run against those of the accuracy run.",
        f"num_acc_log_entries = {entries}",
        f"num_acc_log_duplicate_keys = {repeated}",
        f"num_acc_log_data_mismatch = {contradicted}",
        f"num_perf_log_entries = {logged}",
        f"num_perf_log_qsl_idx_match = {matched}",
        f"num_perf_log_data_mismatch = {differing}",
        f"num_missing_qsl_idxs = {unknown}",
    )
    return Verification(differing == 0 and matched > 0, lines)


def _same(one: bytes, other: bytes, label_type: LabelType) -> bool:
    width = np.dtype(label_type).itemsize
    if min(len(one), len(other)) < width:
        return one == other
    first, second = (np.frombuffer(data, label_type, count=1)[0] for data in (one, other))
    return bool(first == second)


def verify_test01_speed(reference: Score | None, test: Score | None) -> Verification:
    """Whether TEST01 was as fast as the performance run, within 10 % (20 % of very short latencies)."""
    if (problem := _unfit(reference, test)) or reference is None or test is None:
        return Verification(False, (problem,))
    low, high = (reference.value * (1 + sign * reference.slack) for sign in (-1, 1))
    return Verification(low <= test.value <= high, _scores(reference, test))


def verify_test04(reference: Score | None, test: Score | None) -> Verification:
    """Whether TEST04 was not faster than the performance run, but for 10 % (20 % of very short latencies).

    The official script compares queries a second with the bound for nanoseconds, and so allows 20 % to every
    SingleStream and MultiStream run of less than 200,000 and 1,600,000 queries a second.
    """
    if (problem := _unfit(reference, test)) or reference is None or test is None:
        return Verification(False, (problem,))
    return Verification(test.rate < reference.rate * (1 + reference.slack), _scores(reference, test))


def _unfit(reference: Score | None, test: Score | None) -> str:
    """Why two runs cannot be compared; empty: they can."""
    if reference is None or test is None:
        return f"The {'performance' if reference is None else 'test'} run has no score."
    if not (reference.valid and test.valid):
        return f"The {'test' if reference.valid else 'performance'} run is INVALID."
    if reference.scenario != test.scenario:
        return f"The performance run is {reference.scenario}, the test {test.scenario}."
    if reference.target_latency_ns != test.target_latency_ns:
        return "The two runs had different target latencies."
    return ""


def _scores(reference: Score, test: Score) -> tuple[str, ...]:
    unit = "ns" if reference.scenario in _SHORT_NS else "samples/s"
    return (
        "Performance of the test against that of the performance run.",
        f"reference score = {reference.value} {unit}",
        f"test score = {test.value} {unit}",
        f"allowed: {reference.slack:.0%}",
    )
