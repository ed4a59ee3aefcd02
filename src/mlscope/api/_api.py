"""The Python API: the same evaluations and the same store as on the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from mlscope.conductor import Observer
from mlscope.conductor import evaluate as _evaluate
from mlscope.errors import UsageError
from mlscope.plan import LoadRequest, Request
from mlscope.results import Evaluation, Filter
from mlscope.results import open_store as _open_store

if TYPE_CHECKING:
    from mlscope.results import Store

__all__ = ["Results", "evaluate", "open_store"]


def evaluate(
    model: str | Path | None = None,
    dataset: str | Path | None = None,
    *,
    dataset_path: str | Path | None = None,
    scenario: str | None = None,
    mode: str = "PerformanceOnly",
    load: dict[str, Any] | None = None,
    observer: Observer | None = None,
    **request: Any,
) -> Evaluation:
    """Evaluate a model once and return what was found.

    Without `scenario` every sample of the data set is run once (``mlscope predict dataset``); with it, LoadGen
    runs a test (``mlscope benchmark``).

    Args:
        model: A built-in model's name, a manifest's path, or a model file's (with ``load={"random_inputs": True}``);
            None: what ``weights_tags`` choose, or ``Digits_CNN``.
        dataset: A built-in data set's name or a manifest's path; None: what ``images_tags`` choose, or the one that
            suits the model.
        dataset_path: Folder of the pictures.
        scenario: ``SingleStream``, ``MultiStream``, ``Server`` or ``Offline``.
        mode: ``AccuracyOnly``, ``PerformanceOnly``, ``SubmissionRun`` or ``FindPeakPerformance``.
        load: Further fields of :class:`mlscope.plan.LoadRequest`, for instance ``{"min_duration_s": 5}``.
        observer: Hears how it goes.
        **request: Further fields of :class:`mlscope.plan.Request`, for instance ``batch_size=8``.

    Raises:
        UsageError: An argument that is not known or out of its range.
        MlscopeError: The evaluation did not complete; what it had measured is in the store.

    Example:
        >>> run = mlscope.evaluate(scenario="SingleStream", load={"min_duration_s": 2})
        >>> run.record.latency[0].mean_ns, run.latencies_ns().max()
    """
    fields: dict[str, Any] = {"dataset_name": None if dataset is None else str(dataset), "dataset_path": dataset_path}
    fields |= {"model_name": str(model)} if model is not None else {}
    if request.get("repetitions", 1) != 1 or request.get("record") is False:
        raise UsageError("evaluate() runs once and keeps its record", hint="call it in a loop for repetitions")
    if scenario is None and (load or mode != "PerformanceOnly"):
        raise UsageError("`mode` and `load` are about a LoadGen test", hint="name its scenario as well")
    try:
        test = LoadRequest.model_validate({"scenario": scenario, "mode": mode, **(load or {})}) if scenario else None
        fields |= {"command": "benchmark" if test else "predict dataset", "load": test}
        wanted = Request.model_validate(fields | request)
    except ValidationError as wrong:
        raise _explained(wrong) from wrong
    outcome = _evaluate(wanted, observer)[0]
    error = outcome.error or outcome.publish_error
    if error is not None:
        raise error
    assert outcome.folder is not None
    return Evaluation.from_folder(outcome.folder)


def _explained(error: ValidationError) -> UsageError:
    """The first fault, by the argument's name."""
    fault = error.errors(include_url=False)[0]
    message = fault["msg"][:1].lower() + fault["msg"][1:]
    return UsageError(f"{'.'.join(map(str, fault['loc']))}={fault['input']!r}: {message}")


@dataclasses.dataclass(frozen=True, slots=True)
class Results:
    """Evaluations of a store, newest first."""

    store: Store

    def find(self, *, limit: int | None = None, offset: int = 0, **filters: Any) -> list[Evaluation]:
        """Evaluations that meet the filters (fields of :class:`mlscope.results.Filter`).

        Raises:
            UsageError: There is no such filter.
        """
        known = {field.name for field in dataclasses.fields(Filter)}
        if unknown := set(filters) - known:
            raise UsageError(
                f"there is no filter {sorted(unknown)[0]!r}", hint=f"filters are {', '.join(sorted(known))}"
            )
        records = self.store.find(Filter(**filters), limit=limit, offset=offset)
        return [Evaluation.from_store(self.store, record.id) for record in records]

    def get(self, evaluation_id: str) -> Evaluation:
        """One evaluation by its id or the unique beginning of it.

        Raises:
            StoreError: There is none, or several begin like this.
        """
        return Evaluation.from_store(self.store, evaluation_id)

    def __iter__(self) -> Iterator[Evaluation]:
        return iter(self.find())

    def ids(self) -> Sequence[str]:
        """Ids of all evaluations."""
        return [record.id for record in self.store.find(Filter())]


def open_store(address: str | None = None, *, name: str | None = None, secret: str | None = None) -> Results:
    """Open the local results (no address), or a database that evaluations were published to.

    Args:
        address: ``sqlite:///FILE`` or ``postgresql://USER@HOST/DATABASE``.
        name: File (SQLite) or schema (PostgreSQL).
        secret: Password for an address that has none.

    Raises:
        StoreError: The database cannot be reached.
    """
    return Results(_open_store(address, name=name, secret=secret))
