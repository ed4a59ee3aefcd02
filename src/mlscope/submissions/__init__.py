"""MLPerf in and out: LoadGen's logs, trees of results, what the rounds ask for, and CK's archives."""

from mlscope.submissions._accuracy import Answer, ImagenetAccuracy, LabelType, answers, imagenet_accuracy
from mlscope.submissions._accuracy_text import AccuracyText, parse_accuracy, read_accuracy
from mlscope.submissions._audits import AUDITS
from mlscope.submissions._check import CheckReport, check_submission
from mlscope.submissions._check_result import CheckedResult
from mlscope.submissions._compliance import Score, Verification, verify_test01, verify_test01_speed, verify_test04
from mlscope.submissions._exchange import Layout, export_experiments, import_experiments
from mlscope.submissions._export import Exported, Wanted, export_runs
from mlscope.submissions._export_ck import CkPlace, export_ck, find_ck
from mlscope.submissions._export_official import export_official, find_official
from mlscope.submissions._faults import used_seeds
from mlscope.submissions._fetch import fetch_results
from mlscope.submissions._findings import Finding, Rule
from mlscope.submissions._import import Imported, import_results
from mlscope.submissions._layout import DIVISIONS, Division, Place
from mlscope.submissions._logs import LoadGenLog, read_logs
from mlscope.submissions._metric import Metric, official_metric, readable
from mlscope.submissions._official_checker import OfficialVerdict, run_official
from mlscope.submissions._parts import PROBE, Measured, Part, find_parts, group_parts
from mlscope.submissions._report import (
    checked_table,
    errors_by_result,
    findings_table,
    report_json,
    report_lines,
    rules_reference,
)
from mlscope.submissions._result import verify_tests
from mlscope.submissions._rounds import ROUNDS, Benchmark, Round, Seeds, find_round, round_of_seeds
from mlscope.submissions._rules import RULES
from mlscope.submissions._systems import (
    QUESTIONS,
    Question,
    answer,
    machine_fields,
    read_system,
    unanswered,
    write_system,
)
from mlscope.submissions._table import results_table
from mlscope.submissions._table_file import published_rows, read_rows, write_parquet
from mlscope.submissions._table_record import import_table
from mlscope.submissions._tree import Result, find_root, results_of
from mlscope.submissions._truncate import Truncation, truncate_log

__all__ = [
    "AUDITS",
    "DIVISIONS",
    "PROBE",
    "QUESTIONS",
    "ROUNDS",
    "RULES",
    "AccuracyText",
    "Answer",
    "Benchmark",
    "CheckReport",
    "CheckedResult",
    "CkPlace",
    "Division",
    "Exported",
    "Finding",
    "ImagenetAccuracy",
    "Imported",
    "LabelType",
    "Layout",
    "LoadGenLog",
    "Measured",
    "Metric",
    "OfficialVerdict",
    "Part",
    "Place",
    "Question",
    "Result",
    "Round",
    "Rule",
    "Score",
    "Seeds",
    "Truncation",
    "Verification",
    "Wanted",
    "answer",
    "answers",
    "check_submission",
    "checked_table",
    "errors_by_result",
    "export_ck",
    "export_experiments",
    "export_official",
    "export_runs",
    "fetch_results",
    "find_ck",
    "find_official",
    "find_parts",
    "find_root",
    "find_round",
    "findings_table",
    "group_parts",
    "imagenet_accuracy",
    "import_experiments",
    "import_results",
    "import_table",
    "machine_fields",
    "official_metric",
    "parse_accuracy",
    "published_rows",
    "read_accuracy",
    "read_logs",
    "read_rows",
    "read_system",
    "readable",
    "report_json",
    "report_lines",
    "results_of",
    "results_table",
    "round_of_seeds",
    "rules_reference",
    "run_official",
    "truncate_log",
    "unanswered",
    "used_seeds",
    "verify_test01",
    "verify_test01_speed",
    "verify_test04",
    "verify_tests",
    "write_parquet",
    "write_system",
]
