"""One evaluation with its measurements, wherever they lie."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from mlscope.errors import StoreError, UsageError
from mlscope.results._folder import blob_path
from mlscope.results._reading import read_record
from mlscope.results._record import Record
from mlscope.results._tables import (
    ACCURACY_PART,
    PREDICTIONS_FILE,
    SAMPLES_FILE,
    SPANS_FILE,
    read_predictions,
    read_samples,
    read_spans,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from mlscope.results.store import Store

__all__ = ["Evaluation"]


class Evaluation:
    """A record and its files, from a run folder or from a database.

    Attributes:
        record: What was found.

    Every method that reads a file raises StoreError when this evaluation has no such file (a database holds
    predictions only when they were published) or when it is damaged.
    """

    def __init__(self, record: Record, open_file: Callable[[str], BinaryIO]) -> None:
        self.record = record
        self._open = open_file

    @classmethod
    def from_folder(cls, folder: Path) -> Evaluation:
        """Read a sealed run folder."""

        def open_file(name: str) -> BinaryIO:
            path = blob_path(folder, name)
            if path is None or not path.is_file():
                raise StoreError(f"this evaluation has no {name}", where=str(folder))
            return path.open("rb")

        return cls(read_record(folder), open_file)

    @classmethod
    def from_store(cls, store: Store, evaluation_id: str) -> Evaluation:
        """Read an evaluation of a store by its id or a unique prefix of it."""
        return cls.of_record(store, store.get(evaluation_id))

    @classmethod
    def of_record(cls, store: Store, record: Record) -> Evaluation:
        """An evaluation of a store whose record is at hand."""
        return cls(record, lambda name: store.open_blob(record.id, name))

    def open(self, name: str) -> BinaryIO:
        """Open one file of the evaluation, for instance ``logs/worker.log``."""
        return self._open(name)

    def samples(self) -> pa.Table:
        """Every sample, warm-up and failed ones too; columns as :func:`~mlscope.results.seal_samples` has them."""
        with self._open(SAMPLES_FILE) as file:
            return read_samples(file)

    def latencies_ns(self, of: Literal["query", "sample"] = "query", *, warmup: bool = False) -> NDArray[np.int64]:
        """Latencies in nanoseconds: end minus scheduled time, or minus issue time where there is no schedule.

        Args:
            of: ``sample``: one value for each sample, in the order of the samples. ``query``: one for each query,
                the latency of its slowest sample, in the order of the queries' numbers.
            warmup: Give the warm-up's latencies instead of the measured ones (the two are never mixed).

        Returns:
            int64 array [n]. Samples that failed have no latency; a query with a failed sample has none either. Those
            of a SubmissionRun's accuracy part are left out: it is not timed.
        """
        import numpy as np
        import pyarrow.compute as pc

        table = self.samples()
        table = table.filter(pc.equal(table["warmup"], warmup))
        if ACCURACY_PART in table.column_names:
            table = table.filter(pc.invert(table[ACCURACY_PART]))
        since = pc.coalesce(table["scheduled_ns"], table["issued_ns"])
        latencies: NDArray[np.int64] = pc.subtract(table["end_ns"], since).to_numpy()
        failed = table["failed"].to_numpy()
        if of == "sample" or not len(latencies):
            answers: NDArray[np.int64] = latencies[~failed]
            return answers
        _, query = np.unique(table["query"].to_numpy(), return_inverse=True)
        slowest = np.full(query.max() + 1, np.iinfo(np.int64).min)
        np.maximum.at(slowest, query, latencies)
        answered = np.ones(len(slowest), dtype=bool)
        answered[query[failed]] = False
        return slowest[answered]

    def predictions(self) -> dict[str, NDArray[Any]]:
        """The model's answers by column, one row a sample."""
        with self._open(PREDICTIONS_FILE) as file:
            return read_predictions(file)

    def spans(self) -> pa.Table:
        """The trace: columns span_id, parent_id, name, level, start_ns, end_ns, attributes (JSON text)."""
        with self._open(SPANS_FILE) as file:
            return read_spans(file)

    def to_pandas(self) -> pd.DataFrame:
        """The samples as a DataFrame.

        Raises:
            UsageError: pandas is not installed.
        """
        if importlib.util.find_spec("pandas") is None:
            raise UsageError("pandas is not installed", hint="pip install 'mlscope[pandas]'")
        frame: pd.DataFrame = self.samples().to_pandas()
        return frame
