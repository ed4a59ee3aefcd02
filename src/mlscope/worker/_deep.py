"""What is traced below the framework's layers, with any framework: probes around the calls of a predictor."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlscope.worker._counters import Counters
from mlscope.worker._primitives import Primitives
from mlscope.worker.predictors import Description, ManyStreams, Predict, Predictor
from mlscope.worker.protocol import Load, TraceLevel

__all__ = ["Probe", "probe", "probes_of"]

_FAIL_WHEN_PRINTING = frozenset(("openvino",))
"""OpenVINO 2026.4's oneDNN prints too, but some of its convolutions then fail: could not execute a primitive."""

Probe = Any
"""Has ``called()``, which is called after each call of the model, by any thread; and ``close()``."""


def probes_of(command: Load) -> list[Probe]:
    """The probes of a level; made before the framework is imported: they count its threads and set what it reads."""
    probes: list[Probe] = []
    if command.profile and not command.inspect:
        if command.level >= TraceLevel.LIBRARY_TRACE and command.predictor not in _FAIL_WHEN_PRINTING:
            probes.append(Primitives(command.profile))
        if command.level >= TraceLevel.HARDWARE_TRACE:
            probes.append(Counters(command.profile))
    return probes


def probe(predictor: Predictor, probes: list[Probe]) -> Predictor:
    """A predictor whose calls are watched; the same one where nothing watches."""
    if not probes:
        return predictor
    return _ManyProbed(predictor, probes) if isinstance(predictor, ManyStreams) else _Probed(predictor, probes)


class _Probed:
    def __init__(self, predictor: Any, probes: list[Probe]) -> None:
        self._predictor, self._probes = predictor, probes
        self._called = [each.called for each in probes]

    def load(self, command: Load) -> Description:
        description: Description = self._predictor.load(command)
        return description

    def predict(self, feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
        answers: list[np.ndarray[Any, Any]] = self._predictor.predict(feeds)
        for called in self._called:
            called()
        return answers

    def close(self) -> None:
        self._predictor.close()
        for each in self._probes:
            each.close()


class _ManyProbed(_Probed):
    def stream(self, number: int) -> Predict:
        inner: Predict = self._predictor.stream(number)

        def predict(feeds: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
            answers = inner(feeds)
            for called in self._called:
                called()
            return answers

        return predict
