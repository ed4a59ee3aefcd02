"""MLPerf in and out: LoadGen's logs, trees of results, what the rounds ask for, and CK's archives."""

from mlscope.submissions._accuracy_text import AccuracyText, parse_accuracy, read_accuracy
from mlscope.submissions._exchange import Layout, export_experiments, import_experiments
from mlscope.submissions._import import Imported, import_results
from mlscope.submissions._logs import LoadGenLog, read_logs
from mlscope.submissions._metric import Metric, official_metric
from mlscope.submissions._tree import Result, find_root, results_of

__all__ = [
    "AccuracyText",
    "Imported",
    "Layout",
    "LoadGenLog",
    "Metric",
    "Result",
    "export_experiments",
    "find_root",
    "import_experiments",
    "import_results",
    "official_metric",
    "parse_accuracy",
    "read_accuracy",
    "read_logs",
    "results_of",
]
