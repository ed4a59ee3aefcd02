"""The part of the table of commands that is about MLPerf: trees of results, archives, tables of results."""

from __future__ import annotations

from mlscope.cli._command import Command, Path

__all__ = ["SUBMISSION"]

SUBMISSION: dict[Path, Command] = {
    ("experiments",): Command(
        "Exchange recorded runs with other machines, and with CK.",
        examples=("mlscope experiments export runs.zip", "mlscope experiments import runs.zip"),
    ),
    ("experiments", "export"): Command(
        "Write recorded runs to an archive that another machine can import.",
        "mlscope.cli._experiments:export",
        (
            "mlscope experiments export runs.tar.zst --experiment explore-567e2850275f",
            "mlscope experiments export ck.zip 0198f0c2 --to ck",
        ),
    ),
    ("experiments", "import"): Command(
        "Take in runs of another machine, or experiments of CK.",
        "mlscope.cli._experiments:import_archive",
        ("mlscope experiments import runs.zip",),
    ),
    ("results",): Command(
        "Show official and own results of LoadGen as one table.",
        examples=("mlscope results table", "mlscope results import colleague.csv"),
    ),
    ("results", "table"): Command(
        "Show results of LoadGen, official and own ones together, as one table.",
        "mlscope.cli._results:table",
        ("mlscope results table --scenario SingleStream", "mlscope results table --format parquet --output results"),
    ),
    ("results", "import"): Command(
        "Join a colleague's table of results.",
        "mlscope.cli._results:import_table",
        ("mlscope results import colleague.csv",),
    ),
    ("submission",): Command(
        "Measure, write, check and read MLPerf submissions.",
        examples=(
            "mlscope submission run --division open --rehearsal",
            "mlscope submission check tree",
            "mlscope submission import inference_results_v0.5",
        ),
    ),
    ("submission", "system"): Command(
        "Describe the system of a submission.", examples=("mlscope submission system init system.json",)
    ),
    ("submission", "system", "init"): Command(
        "Write a system file: found on the machine, asked for, and kept.",
        "mlscope.cli._submission_system:init",
        (
            "mlscope submission system init system.json",
            "mlscope submission system init system.json --set cooling=air --set status=available",
        ),
    ),
    ("submission", "run"): Command(
        "Measure everything that a division asks of one model.",
        "mlscope.cli._submission_run:run",
        (
            "mlscope submission run --division open --rehearsal",
            "mlscope submission run --division closed --round v6.1 --model-name model.yml --dataset-name imagenet "
            "--dataset-path pictures",
        ),
    ),
    ("submission", "export"): Command(
        "Write recorded runs as the tree of a round.",
        "mlscope.cli._submission_export:export",
        (
            "mlscope submission export tree --system-file system.json --experiment submission-v6.1-open",
            "mlscope submission export tree --system-file system.json --experiment submission-v6.1-open --infer",
        ),
    ),
    ("submission", "import"): Command(
        "Read a tree of MLPerf results into records.",
        "mlscope.cli._submission_import:import_tree",
        ("mlscope submission import inference_results_v0.5", "mlscope submission import results.zip --round v5.1"),
    ),
    ("submission", "check"): Command(
        "Check a submission to MLPerf Inference against the rules of its round.",
        "mlscope.cli._submission_check:check",
        (
            "mlscope submission check tree",
            "mlscope submission check tree --round v6.1 --official inference --format json --output check.json",
        ),
    ),
    ("accuracy",): Command(
        "Compute accuracies from LoadGen's accuracy logs.",
        examples=("mlscope accuracy imagenet --log mlperf_log_accuracy.json --labels val_map.txt",),
    ),
    ("accuracy", "imagenet"): Command(
        "Compute the accuracy of an image classifier from LoadGen's accuracy log.",
        "mlscope.cli._accuracy:imagenet",
        ("mlscope accuracy imagenet --log mlperf_log_accuracy.json --labels val_map.txt --dtype float32",),
    ),
    ("submission", "fetch"): Command(
        "Fetch the official results of a round and read them into records.",
        "mlscope.cli._submission_import:fetch",
        ("mlscope submission fetch v0.5",),
    ),
}
"""By their words."""
