"""What an evaluation gave, as text or JSON."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlscope.cli._explain import explanation_lines, explanations
from mlscope.cli._records import finding_lines, headline
from mlscope.cli._terminal import clean, uses_color, width
from mlscope.errors import StoreError

if TYPE_CHECKING:
    from mlscope.analyses import Agreement
    from mlscope.conductor import Outcome, Prediction
    from mlscope.errors import MlscopeError
    from mlscope.plan import Request
    from mlscope.results import Record

__all__ = ["to_comparison", "to_comparison_of", "to_json", "to_text"]


def to_json(outcomes: Sequence[Outcome]) -> str:
    """One document: ``{"evaluations": [{"record": …, "folder": …, …}]}``."""
    document: dict[str, Any] = {"evaluations": [_plain(each) for each in outcomes]}
    if (found := _agreement([each.folder for each in outcomes])) is not None:
        document["agreement"] = dataclasses.asdict(found)
    if (costs := _costs(outcomes)) is not None:
        document["tracing_overhead"] = costs
    return json.dumps(document, indent=2, ensure_ascii=False)


def _costs(outcomes: Sequence[Outcome]) -> dict[str, Any] | None:
    """Of runs at several trace levels: id → what the level costs."""
    from mlscope.analyses import overheads

    found = overheads([each.record for each in outcomes])
    return {name: dataclasses.asdict(cost) for name, cost in found.items()} or None


def _agreement(folders: Sequence[Path | None]) -> Agreement | None:
    """What the predictions in run folders agree on."""
    from mlscope import analyses
    from mlscope.results import Evaluation

    if len(folders) < 2:
        return None
    predictions: list[Mapping[str, Any] | None] = []
    for folder in folders:
        try:
            predictions.append(Evaluation.from_folder(folder).predictions() if folder is not None else None)
        except StoreError:  # a run that failed early, or a LoadGen test of speed
            predictions.append(None)
    return analyses.agreement(predictions)


def _plain(outcome: Outcome) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "record": outcome.record.model_dump(mode="json"),
        "folder": str(outcome.folder) if outcome.folder else None,
        "explanations": explanations(outcome.record, outcome.folder),
        "error": _error(outcome.error),
        "publish_error": _error(outcome.publish_error),
    }
    if outcome.loadgen_summary is not None:
        plain["loadgen_summary"] = outcome.loadgen_summary
    if outcome.record.command == "predict urls":
        plain["predictions"] = [
            {
                "source": each.source,
                "error": each.error,
                "top": [{"index": index, "label": label, "probability": p} for index, label, p in each.top],
            }
            for each in outcome.predictions
        ]
    return plain


def _error(error: MlscopeError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {"kind": type(error).__name__, "message": str(error), "exit_code": error.exit_code}


def to_comparison(outcomes: Sequence[Outcome]) -> str:
    """One table of all evaluations, and on how many samples they agree."""
    return to_comparison_of([outcome.record for outcome in outcomes], [outcome.folder for outcome in outcomes])


def to_comparison_of(records: Sequence[Record], folders: Sequence[Path | None]) -> str:
    """The same of any records with their run folders."""
    from mlscope import analyses

    found = _agreement(folders)
    table = analyses.comparison(records, found)
    text = analyses.to_text(table, True, width(sys.stdout), uses_color(sys.stdout))
    lines = analyses.agreement_lines(found) if found else []
    return "\n".join([text, *map(clean, lines)]) if lines else text


def to_text(outcomes: Sequence[Outcome], request: Request) -> str:
    """A paragraph for each repetition; the accuracy comes last of what was measured."""
    return "\n".join("\n".join(_lines(each, request)) + "\n" for each in outcomes)


def _lines(outcome: Outcome, request: Request) -> list[str]:
    record = outcome.record
    lines = [headline(record), ""]
    for prediction in outcome.predictions:
        lines += [*_prediction_lines(prediction), ""]
    if record.command == "benchmark":
        lines += _load_lines(outcome)
    lines += [*finding_lines(record), ""]
    if sentences := explanations(record, outcome.folder):
        lines += [*explanation_lines(sentences), ""]
    if record.status != "complete":
        verb = "failed" if record.status == "failed" else f"was {record.status}"
        lines.append(f"The run {verb}{'; what was measured until then is above' if record.latency else ''}.")
    return [*lines, *_whereabouts(outcome, request)]


def _prediction_lines(prediction: Prediction) -> list[str]:
    if prediction.error is not None:
        return [f"{clean(prediction.source)}: {clean(prediction.error)}"]
    width = max((len(str(index)) for index, _, _ in prediction.top), default=1)
    return [
        f"{clean(prediction.source)}:",
        *(f"  {100 * p:6.2f} %  {index:>{width}}  {clean(label)}" for index, label, p in prediction.top),
    ]


def _load_lines(outcome: Outcome) -> list[str]:
    """The LATENCIES tables and LoadGen's summary."""
    from mlscope.analyses import latencies_table

    lines = [latencies_table(each) for each in outcome.record.latency]
    if outcome.loadgen_summary:
        lines += [outcome.loadgen_summary.strip("\n"), ""]
    return lines


def _whereabouts(outcome: Outcome, request: Request) -> list[str]:
    """Where the run lies and what can be done with it."""
    record = outcome.record
    if outcome.folder is None:
        return ["Nothing was kept (--no-record)."]
    lines = [f"Run     {record.id}", f"Folder  {outcome.folder}"]
    if outcome.publish_error is not None:
        address = request.database_address or "ADDRESS"
        shown = address if "@" not in address or ":" not in address.split("@")[0].split("//")[-1] else "ADDRESS"
        return [*lines, f"Next    mlscope runs publish {record.id} --database-address {shown}"]
    if record.status != "complete":
        return [*lines, f"Next    mlscope runs log {record.id} worker"]
    return [*lines, f"Next    mlscope runs show {record.id}"]
