"""What records say: pure functions from records to tables, and tables as text, JSON and CSV.

Each analysis is one file. To add one, write ``_name.py`` with a function from evaluations to a :class:`Table` and
name it in ``_run.py``; every door shows it at once.
"""

from mlscope.analyses._accuracy import accuracy_line, accuracy_result, top_lines
from mlscope.analyses._agreement import Agreement, agreement, agreement_lines
from mlscope.analyses._answers import AccuracyComparison, PredictionComparison
from mlscope.analyses._charts import Chart, Kind
from mlscope.analyses._compare import Comparison, Limits, MetricComparison, compare, process_allowance
from mlscope.analyses._compare_layers import LayerComparison, LayerGroup, LayerSide, compare_layers, stored_layers
from mlscope.analyses._compare_layers_text import (
    layer_comparison_json,
    layer_comparison_lines,
    layer_comparison_table,
)
from mlscope.analyses._compare_text import compare_figures, compare_json, compare_lines, compare_table, side_line
from mlscope.analyses._comparison import comparison
from mlscope.analyses._evidence import Calls, Evidence, gather
from mlscope.analyses._explain import explain
from mlscope.analyses._explain_change import explain_change
from mlscope.analyses._flops import NodeWork, flops_table, flops_totals, graph_work
from mlscope.analyses._gaps import CallParts, Gap, call_parts
from mlscope.analyses._kernel_runs import NO_KERNELS
from mlscope.analyses._kernels import KERNELS_BY
from mlscope.analyses._latency import latencies_table, latency_result, latency_results
from mlscope.analyses._layer_runs import LAYER_LEVEL
from mlscope.analyses._layer_work import WORK_FILE, ModelWork, Work, graph_work_json, read_work
from mlscope.analyses._levels import Overhead, overheads
from mlscope.analyses._output import write_output
from mlscope.analyses._plot import plot_sweep
from mlscope.analyses._render import to_csv, to_json
from mlscope.analyses._roofline import ROOFLINE_BY
from mlscope.analyses._run import ANALYSES, Analysis, plot, run
from mlscope.analyses._runs import View, undisturbed
from mlscope.analyses._sides import SESSION_TAG, Side, check_comparable
from mlscope.analyses._sweep import SweepPoint, sweep_table
from mlscope.analyses._table import Column, Table
from mlscope.analyses._text import to_text
from mlscope.analyses._ticks import ticks_result
from mlscope.analyses._workload import margin_error, workload_result

__all__ = [
    "ANALYSES",
    "KERNELS_BY",
    "LAYER_LEVEL",
    "NO_KERNELS",
    "ROOFLINE_BY",
    "SESSION_TAG",
    "WORK_FILE",
    "AccuracyComparison",
    "Agreement",
    "Analysis",
    "CallParts",
    "Calls",
    "Chart",
    "Column",
    "Comparison",
    "Evidence",
    "Gap",
    "Kind",
    "LayerComparison",
    "LayerGroup",
    "LayerSide",
    "Limits",
    "MetricComparison",
    "ModelWork",
    "NodeWork",
    "Overhead",
    "PredictionComparison",
    "Side",
    "SweepPoint",
    "Table",
    "View",
    "Work",
    "accuracy_line",
    "accuracy_result",
    "agreement",
    "agreement_lines",
    "call_parts",
    "check_comparable",
    "compare",
    "compare_figures",
    "compare_json",
    "compare_layers",
    "compare_lines",
    "compare_table",
    "comparison",
    "explain",
    "explain_change",
    "flops_table",
    "flops_totals",
    "gather",
    "graph_work",
    "graph_work_json",
    "latencies_table",
    "latency_result",
    "latency_results",
    "layer_comparison_json",
    "layer_comparison_lines",
    "layer_comparison_table",
    "margin_error",
    "overheads",
    "plot",
    "plot_sweep",
    "process_allowance",
    "read_work",
    "run",
    "side_line",
    "stored_layers",
    "sweep_table",
    "ticks_result",
    "to_csv",
    "to_json",
    "to_text",
    "top_lines",
    "undisturbed",
    "workload_result",
    "write_output",
]
