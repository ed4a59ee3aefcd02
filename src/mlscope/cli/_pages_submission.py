"""The part of the table of commands that is about MLPerf: trees of results, archives, tables of results."""

from __future__ import annotations

from mlscope.cli._command import Command, Path

__all__ = ["SUBMISSION"]

SUBMISSION: dict[Path, Command] = {
    ("submission",): Command(
        "Read trees of MLPerf results.",
        examples=("mlscope submission import inference_results_v0.5",),
    ),
    ("submission", "import"): Command(
        "Read a tree of MLPerf results into records.",
        "mlscope.cli._submission_import:import_tree",
        ("mlscope submission import inference_results_v0.5", "mlscope submission import results.zip --round v5.1"),
    ),
}
"""By their words."""
