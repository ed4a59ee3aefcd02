"""The evaluation from request to sealed record."""

from mlscope.conductor._bare import inspect_model
from mlscope.conductor._compare import compare_in_turns, find_side, repeat_in_turns
from mlscope.conductor._download import download, download_dataset
from mlscope.conductor._evaluate import evaluate
from mlscope.conductor._graph import model_graph
from mlscope.conductor._judge import Judge
from mlscope.conductor._maximize import Limits, Search, Tuned, maximize, tune
from mlscope.conductor._outcome import Observer, Outcome, Prediction, SilentObserver
from mlscope.conductor._recover import recover
from mlscope.conductor._rerun import Rerun, rerun
from mlscope.conductor._resolve import Resolution, resolve_manifests
from mlscope.conductor._serving import host_threads
from mlscope.conductor._submission import Estimate, StepRun, SubmissionRun
from mlscope.conductor._submission_plan import Goal, Step, Target
from mlscope.conductor._sweep import Point, PointRun, Sweeper, sweep
from mlscope.conductor._turns import TurnPlan, Turns
from mlscope.conductor._verify import Check, Verification, verify
from mlscope.conductor._watch import glance

__all__ = [
    "Check",
    "Estimate",
    "Goal",
    "Judge",
    "Limits",
    "Observer",
    "Outcome",
    "Point",
    "PointRun",
    "Prediction",
    "Rerun",
    "Resolution",
    "Search",
    "SilentObserver",
    "Step",
    "StepRun",
    "SubmissionRun",
    "Sweeper",
    "Target",
    "Tuned",
    "TurnPlan",
    "Turns",
    "Verification",
    "compare_in_turns",
    "download",
    "download_dataset",
    "evaluate",
    "find_side",
    "glance",
    "host_threads",
    "inspect_model",
    "maximize",
    "model_graph",
    "recover",
    "repeat_in_turns",
    "rerun",
    "resolve_manifests",
    "sweep",
    "tune",
    "verify",
]
