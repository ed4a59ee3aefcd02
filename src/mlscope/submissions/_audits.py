"""The audit.config of MLPerf's compliance tests for image classification.

TEST01 samples the answers of a performance run, which must be those of the accuracy run. TEST04 asks for one sample
again and again; a result that is much faster then comes from a cache. Source: mlcommons/inference, `compliance/`.
"""

from __future__ import annotations

import re

__all__ = ["AUDITS", "test_of"]

_SAMPLING = {"mode": 2, "accuracy_log_rng_seed": 720_381_539_243_781_796, "accuracy_log_sampling_target": 4096}
_REPEATING = {
    "mode": 2,
    "performance_issue_unique": 0,
    "performance_issue_same": 1,
    "performance_issue_same_index": 3,
}
_SCENARIOS = ("MultiStream", "Offline", "SingleStream", "Server")

AUDITS: dict[str, str] = {
    "TEST01": "".join(f"*.*.{key} = {value}\n" for key, value in _SAMPLING.items()),
    "TEST04": "".join(f"*.{name}.{key} = {value}\n" for name in _SCENARIOS for key, value in _REPEATING.items()),
}
"""Test → text of its audit.config."""


def test_of(audit: str) -> str | None:
    """Which test an audit.config is of, whoever wrote it; None: of none that is known here."""
    if re.search(r"^[^#\n]*\.performance_issue_same\s*=\s*1\b", audit, re.MULTILINE):
        return "TEST04"
    return "TEST01" if re.search(r"^[^#\n]*\.accuracy_log_sampling_target\s*=", audit, re.MULTILINE) else None
