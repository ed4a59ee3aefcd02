"""Divergence: how far the answers of evaluations are apart, as MLModelScope's ``database divergence`` measured it."""

from __future__ import annotations

from collections.abc import Sequence

from mlscope.analyses._answers import PredictionComparison, compare_predictions
from mlscope.analyses._runs import View, has_file
from mlscope.analyses._table import Column, Row, Shown, Table, build
from mlscope.results import Evaluation

__all__ = ["divergence"]

_MEASURES: dict[str, tuple[str, Shown]] = {
    "KL divergence": ("kullback_leibler", "always"),
    "Jensen-Shannon divergence": ("jensen_shannon", "always"),
    "Hellinger distance": ("hellinger", "always"),
    "Bhattacharyya distance": ("bhattacharyya", "wide"),
    "covariance": ("covariance", "wide"),
    "correlation": ("correlation", "always"),
}
_PREDICTIONS = "predictions.parquet"

COLUMNS = (
    Column("source_id", "against"),
    Column("samples", "samples"),
    Column("same_class", "same class"),
    Column("identical", "identical", shown="wide"),
    Column("verdict", "verdict"),
    *(
        Column(name, title.removesuffix(" divergence").removesuffix(" distance"), shown=shown)
        for title, (name, shown) in _MEASURES.items()
    ),
    *(Column(f"{name}_worst", f"worst {title}", shown="data") for title, (name, _) in _MEASURES.items()),
    *(Column(f"{name}_beyond", f"beyond by {title}", shown="data") for title, (name, _) in _MEASURES.items()),
    Column("tolerance", "tolerance", shown="data"),
)


def divergence(evaluations: Sequence[Evaluation], view: View) -> Table:
    """A row for each evaluation that can be compared with ``view.source``, or with the newest of its model and data.

    Measures are means over the samples that both have (nats for Kullback-Leibler and Jensen-Shannon); ``…_worst`` is
    that of the worst sample, ``…_beyond`` how many lie beyond the tolerance. ``different``: a best class differs, or a
    Jensen-Shannon divergence lies beyond the tolerance.
    """
    newest: dict[object, Evaluation] = {}
    found: list[Evaluation] = []
    rows: dict[str, Row] = {}
    for each in evaluations:
        if not has_file(each, _PREDICTIONS):
            continue
        record = each.record
        source = view.source or newest.setdefault((record.model_name, record.dataset_name), each)
        if source.record.id == record.id:
            continue
        compared = compare_predictions(source, each, view.tolerance)
        if compared is not None:
            found.append(each)
            rows[record.id] = {"source_id": source.record.id} | _row(compared)
    empty = "no two evaluations with answers to the same samples"
    return build("divergence", COLUMNS, found, lambda each: [rows[each.record.id]], empty=empty)


def _row(compared: PredictionComparison) -> Row:
    row: Row = {
        "samples": compared.samples,
        "same_class": compared.same_class,
        "identical": compared.identical,
        "verdict": "different" if compared.different else "same",
        "tolerance": compared.tolerance,
    }
    for each in compared.divergences:
        name, _ = _MEASURES[each.name]
        row |= {name: each.mean, f"{name}_worst": each.worst, f"{name}_beyond": each.beyond}
    return row
