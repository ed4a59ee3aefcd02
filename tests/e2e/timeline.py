"""What a fully traced run must hold, whatever the framework; for the tests of the levels and of the frameworks."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from mlscope.results import LAYERS_FILE, Evaluation, read_layers
from mlscope.traces import export
from mlscope.worker.protocol import TraceLevel
from tests.traces.reading import Slice, read_perfetto

__all__ = ["ancestors", "check_layers", "check_viewers"]


def check_layers(evaluation: Evaluation, nodes: list[str]) -> pd.DataFrame:
    """Every node of the model is in one layer of each call, or was folded; returns the layers' rows."""
    with evaluation.open(LAYERS_FILE) as file:
        rows: pd.DataFrame = read_layers(file).to_pandas()
    folded = list(evaluation.record.effective.get("folded_nodes", ()))
    for _, one in rows.groupby("call"):
        assert sorted([*folded, *(node for found in one.nodes for node in found)]) == sorted(nodes)
    assert (rows.end_ns >= rows.begin_ns).all()
    return rows


def check_viewers(evaluation: Evaluation, folder: Path) -> dict[str, Slice]:
    """The run's Perfetto file has every layer in its call, in its request; the Chrome file has the same slices.

    Returns:
        The slices of the Perfetto file.
    """
    export(evaluation, "perfetto", folder / "run.pftrace")
    export(evaluation, "chrome", folder / "run.json")
    found, _ = read_perfetto((folder / "run.pftrace").read_bytes())
    layers = [each for each in found.values() if each.values.get("trace_level") == "FRAMEWORK_TRACE"]
    assert len(layers) == (evaluation.spans()["level"].to_pandas() == TraceLevel.FRAMEWORK_TRACE).sum() > 0
    for layer in layers:
        chain = ancestors(layer, found)
        assert [each.name for each in chain if each.values["trace_level"] != "FRAMEWORK_TRACE"][:2] == [
            "c_predict",
            "predict_step",
        ]
    document = json.loads((folder / "run.json").read_text(), parse_float=str)
    assert {
        (each["args"]["span_id"], each["name"], int(each["ts"].replace(".", "")), int(each["dur"].replace(".", "")))
        for each in document["traceEvents"]
        if each["ph"] == "X"
    } == {(each.span_id, each.name, each.begin_ns, each.end_ns - each.begin_ns) for each in found.values()}
    return found


def ancestors(inner: Slice, found: dict[str, Slice]) -> list[Slice]:
    """What a slice lies in, by its parents; each lies inside the next."""
    chain = []
    while (above := inner.values.get("parent_id")) is not None:
        outer = found[above]
        assert outer.begin_ns <= inner.begin_ns <= inner.end_ns <= outer.end_ns, (inner, outer)
        chain.append(outer)
        inner = outer
    return chain
