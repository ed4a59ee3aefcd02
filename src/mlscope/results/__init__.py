"""What was found: records, run folders and the store over them.

Importing this room is cheap; pyarrow, numpy and SQLAlchemy are imported by what needs them.
"""

from mlscope.results._counters import COUNTERS_FILE, Counter, read_counters, write_counters
from mlscope.results._evaluation import Evaluation
from mlscope.results._folder import RunFolder, abandoned, sealed_folders, verify_folder
from mlscope.results._ids import new_id
from mlscope.results._layers import (
    LAYER_SUMMARY_FILE,
    LAYERS_FILE,
    Layer,
    LayerSummary,
    read_layer_summary,
    read_layers,
    write_layer_summary,
    write_layers,
)
from mlscope.results._notes import annotate, annotations
from mlscope.results._passport import Floor, ForeignProcess, MachineState, Passport
from mlscope.results._reading import parse_record, read_record
from mlscope.results._record import (
    AccuracyResult,
    DataUse,
    Failure,
    FileEntry,
    LatencyResult,
    LoadGenResult,
    PercentileResult,
    Record,
    SearchResult,
    SearchStep,
    System,
    Timings,
    WorkloadResult,
)
from mlscope.results._series import MACHINE_FILE, read_series
from mlscope.results._tables import (
    ACCURACY_PART,
    SAMPLES_FILE,
    SPANS_FILE,
    Span,
    measured_span,
    read_predictions,
    read_samples,
    read_spans,
    seal_samples,
    write_predictions,
    write_spans,
)
from mlscope.results.store import Filter, Store, open_store, parse_address, publish, rebuild, remove_run, run_folder

__all__ = [
    "ACCURACY_PART",
    "COUNTERS_FILE",
    "LAYERS_FILE",
    "LAYER_SUMMARY_FILE",
    "MACHINE_FILE",
    "SAMPLES_FILE",
    "SPANS_FILE",
    "AccuracyResult",
    "Counter",
    "DataUse",
    "Evaluation",
    "Failure",
    "FileEntry",
    "Filter",
    "Floor",
    "ForeignProcess",
    "LatencyResult",
    "Layer",
    "LayerSummary",
    "LoadGenResult",
    "MachineState",
    "Passport",
    "PercentileResult",
    "Record",
    "RunFolder",
    "SearchResult",
    "SearchStep",
    "Span",
    "Store",
    "System",
    "Timings",
    "WorkloadResult",
    "abandoned",
    "annotate",
    "annotations",
    "measured_span",
    "new_id",
    "open_store",
    "parse_address",
    "parse_record",
    "publish",
    "read_counters",
    "read_layer_summary",
    "read_layers",
    "read_predictions",
    "read_record",
    "read_samples",
    "read_series",
    "read_spans",
    "rebuild",
    "remove_run",
    "run_folder",
    "seal_samples",
    "sealed_folders",
    "verify_folder",
    "write_counters",
    "write_layer_summary",
    "write_layers",
    "write_predictions",
    "write_spans",
]
