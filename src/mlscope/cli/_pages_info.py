"""The part of the table of commands that is about ``mlscope info``."""

from __future__ import annotations

from mlscope.cli._command import Command, Path

__all__ = ["INFO"]

INFO: dict[Path, Command] = {
    ("info",): Command(
        "Show evaluations, models, data sets, frameworks and this machine.",
        examples=("mlscope info evaluation accuracy", "mlscope info models"),
    ),
    ("info", "evaluation"): Command(
        "Report what was recorded.",
        examples=("mlscope info evaluation latency --model-name Digits_CNN --limit 10",),
    ),
    ("info", "evaluation", "accuracy"): Command(
        "Report the accuracy of recorded evaluations.",
        "mlscope.cli._evaluations:accuracy",
        ("mlscope info evaluation accuracy --dataset-name digits",),
    ),
    ("info", "evaluation", "latency"): Command(
        "Report latency and throughput of recorded evaluations.",
        "mlscope.cli._evaluations:latency",
        ("mlscope info evaluation latency --batch-size 1 --format csv --output latency.csv --overwrite",),
    ),
    ("info", "evaluation", "duration"): Command(
        "Report how long the parts of recorded evaluations took.",
        "mlscope.cli._evaluations:duration",
        ("mlscope info evaluation duration --limit 5",),
    ),
    ("info", "evaluation", "stability"): Command(
        "Report whether recorded evaluations were steady.",
        "mlscope.cli._evaluations:stability",
        ("mlscope info evaluation stability --limit 5",),
    ),
    ("info", "evaluation", "layers"): Command(
        "Report the layers of recorded evaluations.",
        "mlscope.cli._evaluations:layers",
        ("mlscope info evaluation layers --model-name Digits_CNN --limit 1",),
    ),
    ("info", "evaluation", "layer-tree"): Command(
        "Report what the layers of recorded evaluations consist of.",
        "mlscope.cli._evaluations:layer_tree",
        ("mlscope info evaluation layer-tree --limit 1",),
    ),
    ("info", "evaluation", "layer-aggregate"): Command(
        "Report the layers of recorded evaluations by their types.",
        "mlscope.cli._evaluations:layer_aggregate",
        ("mlscope info evaluation layer-aggregate --limit 1 --format csv",),
    ),
    ("info", "evaluation", "levels"): Command(
        "Report what each trace level costs.",
        "mlscope.cli._levels:levels",
        ("mlscope info evaluation levels --experiment levels-0198f0c2",),
    ),
    ("info", "evaluation", "all"): Command(
        "Report everything about recorded evaluations.",
        "mlscope.cli._evaluations:everything",
        ("mlscope info evaluation all --format json",),
    ),
    ("info", "models"): Command(
        "List the models: the built-in ones and those of registered sources.",
        "mlscope.cli._catalogue:models",
        ("mlscope info models --format json",),
    ),
    ("info", "datasets"): Command(
        "List the data sets: the built-in ones and those of registered sources.",
        "mlscope.cli._catalogue:datasets",
        ("mlscope info datasets",),
    ),
    ("info", "frameworks"): Command(
        "List the known frameworks: which versions can run here, and why not where none can.",
        "mlscope.cli._catalogue:frameworks",
        ("mlscope info frameworks",),
    ),
    ("info", "flops"): Command(
        "Count the operations of a model.", "mlscope.cli._flops:flops", ("mlscope info flops model.onnx",)
    ),
    ("info", "system"): Command(
        "Describe this machine as records describe it.",
        "mlscope.cli._catalogue:system",
        ("mlscope info system --format json",),
    ),
}
"""Every command of the group by its words."""
