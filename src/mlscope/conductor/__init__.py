"""The evaluation from request to sealed record."""

from mlscope.conductor._bare import inspect_model
from mlscope.conductor._download import download, download_dataset
from mlscope.conductor._evaluate import evaluate, recover
from mlscope.conductor._outcome import Observer, Outcome, Prediction, SilentObserver
from mlscope.conductor._rerun import Rerun, rerun
from mlscope.conductor._resolve import Resolution, resolve_manifests
from mlscope.conductor._sweep import Point, PointRun, sweep
from mlscope.conductor._watch import glance

__all__ = [
    "Observer",
    "Outcome",
    "Point",
    "PointRun",
    "Prediction",
    "Rerun",
    "Resolution",
    "SilentObserver",
    "download",
    "download_dataset",
    "evaluate",
    "glance",
    "inspect_model",
    "recover",
    "rerun",
    "resolve_manifests",
    "sweep",
]
