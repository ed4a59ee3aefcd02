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
    ("info", "evaluation", "model"): Command(
        "Report how long a call of the model took in recorded evaluations.",
        "mlscope.cli._evaluations:model",
        (
            "mlscope info evaluation model --model-name Digits_CNN",
            "mlscope info evaluation model --bar-plot --plot-path calls.png",
        ),
    ),
    ("info", "evaluation", "throughput"): Command(
        "Report throughput over batch sizes, and the best batch.",
        "mlscope.cli._evaluations:throughput",
        ("mlscope info evaluation throughput --model-name Digits_CNN",),
    ),
    ("info", "evaluation", "stability"): Command(
        "Report whether recorded evaluations were steady.",
        "mlscope.cli._evaluations:stability",
        ("mlscope info evaluation stability --limit 5",),
    ),
    ("info", "evaluation", "layers"): Command(
        "Report the layers of recorded evaluations.",
        "mlscope.cli._evaluation_layers:layers",
        (
            "mlscope info evaluation layers --model-name Digits_CNN --limit 1",
            "mlscope info evaluation layers --top-layers 10 --box-plot --plot-path layers.png",
        ),
    ),
    ("info", "evaluation", "layer-tree"): Command(
        "Report what the layers of recorded evaluations consist of.",
        "mlscope.cli._evaluation_layers:layer_tree",
        ("mlscope info evaluation layer-tree --limit 1",),
    ),
    ("info", "evaluation", "layer-aggregate"): Command(
        "Report the layers of recorded evaluations by their types.",
        "mlscope.cli._evaluation_layers:layer_aggregate",
        (
            "mlscope info evaluation layer-aggregate --limit 1 --format csv",
            "mlscope info evaluation layer-aggregate --pie-plot --plot-path types.html",
        ),
    ),
    ("info", "evaluation", "cuda-launch"): Command(
        "Report the launches of GPU kernels in recorded evaluations.",
        "mlscope.cli._evaluation_layers:cuda_launch",
        ("mlscope info evaluation cuda-launch --limit 1",),
    ),
    ("info", "evaluation", "kernels"): Command(
        "Report the GPU kernels of recorded evaluations.",
        "mlscope.cli._evaluation_layers:kernels",
        (
            "mlscope info evaluation kernels --by layer",
            "mlscope info evaluation kernels --top-kernels 10",
        ),
    ),
    ("info", "evaluation", "roofline"): Command(
        "Report what limits the layers, kernels or models of recorded evaluations.",
        "mlscope.cli._evaluation_layers:roofline",
        (
            "mlscope info evaluation roofline --limit 1 --plot-path roofline.png",
            "mlscope info evaluation roofline --by model",
        ),
    ),
    ("info", "evaluation", "eventflow"): Command(
        "Report the spans of recorded evaluations.",
        "mlscope.cli._evaluation_layers:eventflow",
        ("mlscope info evaluation eventflow --limit 1",),
    ),
    ("info", "evaluation", "memory"): Command(
        "Report the memory of recorded evaluations.",
        "mlscope.cli._evaluations:memory",
        ("mlscope info evaluation memory --limit 1",),
    ),
    ("info", "evaluation", "hardware"): Command(
        "Report what was counted on the machine while evaluations ran.",
        "mlscope.cli._evaluations:hardware",
        (
            "mlscope info evaluation hardware --limit 1",
            "mlscope info evaluation hardware --limit 1 --plot-path machine.png",
        ),
    ),
    ("info", "evaluation", "divergence"): Command(
        "Report how far the answers of recorded evaluations are apart.",
        "mlscope.cli._evaluations:divergence",
        (
            "mlscope info evaluation divergence --model-name Digits_CNN",
            "mlscope info evaluation divergence --source 0198f0c2 --target 0198f0d7",
        ),
    ),
    ("info", "evaluation", "levels"): Command(
        "Report what each trace level costs.",
        "mlscope.cli._evaluations:levels",
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
