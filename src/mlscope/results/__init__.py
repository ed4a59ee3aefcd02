"""What was found: records, run folders and the store over them."""

from mlscope.results._record import (
    AccuracyResult,
    Failure,
    FileEntry,
    LatencyResult,
    LoadGenResult,
    PercentileResult,
    Record,
    System,
    Timings,
)

__all__ = [
    "AccuracyResult",
    "Failure",
    "FileEntry",
    "LatencyResult",
    "LoadGenResult",
    "PercentileResult",
    "Record",
    "System",
    "Timings",
]
