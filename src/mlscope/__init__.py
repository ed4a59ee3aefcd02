"""Reproducible evaluation of machine-learning models: accuracy, latency, throughput, traces.

The command line is ``mlscope``; from Python::

    import mlscope

    run = mlscope.evaluate("Digits_CNN", "digits")
    print(run.record.accuracy.top1, run.latencies_ns(of="batch"))
    for evaluation in mlscope.open_store().find(model_name="Digits_CNN"):
        print(evaluation.record.id)

Names are imported when they are first used, so that ``import mlscope`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlscope.api import Results, evaluate, open_store
    from mlscope.errors import MlscopeError
    from mlscope.results import Evaluation, Record

__all__ = ["Evaluation", "MlscopeError", "Record", "Results", "evaluate", "open_store"]

_WHERE = {
    "Evaluation": "mlscope.results",
    "MlscopeError": "mlscope.errors",
    "Record": "mlscope.results",
    "Results": "mlscope.api",
    "evaluate": "mlscope.api",
    "open_store": "mlscope.api",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _WHERE:
        raise AttributeError(f"module 'mlscope' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
