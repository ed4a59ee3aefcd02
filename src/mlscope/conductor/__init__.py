"""The evaluation from request to sealed record."""

from mlscope.conductor._bare import inspect_model
from mlscope.conductor._download import download
from mlscope.conductor._evaluate import evaluate, recover
from mlscope.conductor._outcome import Observer, Outcome, Prediction, SilentObserver

__all__ = [
    "Observer",
    "Outcome",
    "Prediction",
    "SilentObserver",
    "download",
    "evaluate",
    "inspect_model",
    "recover",
]
