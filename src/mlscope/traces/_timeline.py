"""One timeline of a run: its spans, its requests and LoadGen's own events, on one clock.

Columns are numpy arrays, not objects, since there may be millions of rows.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from datetime import UTC
from typing import TYPE_CHECKING, Any, TypeVar

from mlscope.errors import StoreError
from mlscope.results import SAMPLES_FILE, SPANS_FILE, Evaluation, Record, read_spans
from mlscope.traces._counters import Curve, read_curves
from mlscope.traces._gaps import GAP, gap_slices
from mlscope.traces._loadgen import LOADGEN_TRACE, loadgen_events

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

_T = TypeVar("_T")

__all__ = [
    "GAP",
    "LOADGEN",
    "REQUEST",
    "SOURCES",
    "SPAN",
    "TRACEPARENT",
    "Timeline",
    "read_spans_only",
    "read_timeline",
]

SPAN, REQUEST, LOADGEN = range(3)
"""Where a row comes from: the run's spans, its samples, LoadGen's trace; beside them ``GAP``, between layers."""
SOURCES = ("span", "request", "loadgen", "gap")
TRACEPARENT = "traceparent"
"""Attribute of the root span: the W3C context that the run was started in."""
_DEEPEST = 64
_MAX_REQUESTS = 1_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Timeline:
    """Slices of time, one row each; times in nanoseconds of the samples' clock (``CLOCK_MONOTONIC``).

    Attributes:
        record: The run's record.
        names: Every name once.
        name: Index into `names`, shape [n].
        level: Trace level, shape [n]; 0 for what is no span.
        source: ``SPAN``, ``REQUEST``, ``LOADGEN`` or ``GAP``, shape [n].
        start_ns: Begin, shape [n].
        end_ns: End, never before the begin, shape [n].
        parent: Row of the parent, -1 where there is none, shape [n].
        depth: Number of ancestors, shape [n].
        group: Thread of LoadGen, 0 otherwise, shape [n].
        number: A span's id as in the run folder, other rows' place, shape [n].
        texts: Every JSON text of attributes once, arrow strings.
        text: Index into `texts`, shape [n].
        epoch_ns: What to add to a time to get Unix time.
        notes: What could not be put on the timeline, and why.
        curves: What was counted meanwhile.
    """

    record: Record
    names: list[str]
    name: NDArray[np.int32]
    level: NDArray[np.int8]
    source: NDArray[np.int8]
    start_ns: Numbers
    end_ns: Numbers
    parent: Numbers
    depth: NDArray[np.int16]
    group: NDArray[np.int32]
    number: NDArray[np.uint64]
    texts: pa.Array
    text: NDArray[np.int32]
    epoch_ns: int
    notes: tuple[str, ...] = ()
    curves: tuple[Curve, ...] = ()

    def __len__(self) -> int:
        return len(self.start_ns)

    @property
    def begin_ns(self) -> int:
        """When the run began."""
        return int(self.start_ns[self.root])

    @property
    def root(self) -> int:
        """Row of the run's root span."""
        import numpy as np

        return int(np.flatnonzero((self.parent < 0) & (self.source == SPAN))[0])

    @property
    def traceparent(self) -> str | None:
        """The W3C context that the run was started in."""
        value = json.loads(self.attributes(self.root)).get(TRACEPARENT)
        return value if isinstance(value, str) else None

    def attributes(self, row: int) -> str:
        """JSON text of a row's attributes."""
        text: str = self.texts[self.text[row]].as_py()
        return text

    def span_id(self, row: int) -> str:
        """Id of a row: 16 hex digits of a span, a made-up one of others."""
        number = int(self.number[row])
        return f"{number:016x}" if self.source[row] == SPAN else f"{SOURCES[self.source[row]]}-{number}"


def read_spans_only(evaluation: Evaluation) -> Timeline:
    """The run's spans alone, as span servers take them.

    Raises:
        StoreError: The run has no trace, or it is damaged.
    """
    return _finish(evaluation.record, [_spans(evaluation)], ())


def read_timeline(evaluation: Evaluation) -> Timeline:
    """Spans, requests and LoadGen's events of a run, and the gaps between its layers.

    Raises:
        StoreError: The run has no trace, or a file of it is damaged.
    """
    import numpy as np

    spans = _spans(evaluation)
    parts, notes = [spans], []
    samples = evaluation.samples() if SAMPLES_FILE in _files(evaluation) else None
    if samples is not None and samples.num_rows:
        parts.append(_requests(samples))
    if samples is not None and LOADGEN_TRACE in _files(evaluation):
        measured = samples.filter(~samples["warmup"].to_numpy(zero_copy_only=False))
        _, first = np.unique(measured["query"].to_numpy(), return_index=True)
        issued = np.sort(measured["issued_ns"].to_numpy()[first])
        with evaluation.open(LOADGEN_TRACE) as file:
            events, problem = loadgen_events(file, issued)
        if problem:
            notes.append(problem)
        if events is not None:
            parts.append(events)
    gaps = gap_slices(spans)
    if gaps is not None:
        parts.append(gaps)
    timeline = _finish(evaluation.record, parts, tuple(notes))
    return dataclasses.replace(timeline, curves=read_curves(evaluation))


def _files(evaluation: Evaluation) -> set[str]:
    return {each.path for each in evaluation.record.files}


def _spans(evaluation: Evaluation) -> dict[str, Any]:
    """Columns of the spans; read one after the other, so that texts are gone before the next ones come."""
    import numpy as np

    if SPANS_FILE not in _files(evaluation):
        hint = "runs with --trace-level APPLICATION_TRACE or deeper have one"
        raise StoreError("this run has no trace", where=evaluation.record.id, hint=hint)
    numbers = _column(evaluation, "span_id", span_numbers)
    if not len(numbers):
        raise StoreError("the trace is empty", where=evaluation.record.id)
    above, has_parent = _column(evaluation, "parent_id", _parent_numbers)
    names, name = _column(evaluation, "name", _texts)
    texts, text = _column(evaluation, "attributes", _texts)
    return {
        "names": names.to_pylist(),
        "texts": texts,
        "name": name,
        "text": text,
        "level": _column(evaluation, "level", lambda column: column.to_numpy()),
        "source": np.full(len(numbers), SPAN, np.int8),
        "start_ns": _column(evaluation, "start_ns", lambda column: column.to_numpy()),
        "end_ns": _column(evaluation, "end_ns", lambda column: column.to_numpy()),
        "parent": _whole_tree(_rows_of(above, has_parent, numbers)),
        "group": np.zeros(len(numbers), np.int32),
        "number": numbers,
    }


def _column(evaluation: Evaluation, name: str, convert: Callable[[pa.ChunkedArray], _T]) -> _T:
    import pyarrow as pa

    with evaluation.open(SPANS_FILE) as file:
        values = convert(read_spans(file, [name], dictionary=True)[name])
    pa.default_memory_pool().release_unused()
    return values


def _texts(column: pa.ChunkedArray) -> tuple[pa.Array, NDArray[np.int32]]:
    """Every text once, and the index of each row's."""
    import numpy as np

    array = column.unify_dictionaries().combine_chunks()
    return array.dictionary, array.indices.to_numpy().astype(np.int32)


def _parent_numbers(column: pa.ChunkedArray) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    return span_numbers(column.fill_null("0" * 16)), column.is_valid().to_numpy()


def span_numbers(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Ids of 16 hex digits as numbers; of other texts a digest."""
    import numpy as np

    parts = [_hex_numbers(chunk) for chunk in column.chunks]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)


def _hex_numbers(chunk: pa.Array) -> NDArray[np.uint64]:
    import numpy as np

    texts = chunk.to_pylist()
    try:
        data = bytes.fromhex("".join(texts))
        if len(data) == 8 * len(texts) and set(map(len, texts)) <= {16}:
            return np.frombuffer(data, ">u8").astype(np.uint64)
    except ValueError:
        pass
    digests = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)


def _rows_of(wanted: NDArray[np.uint64], known: NDArray[np.bool_], numbers: NDArray[np.uint64]) -> Numbers:
    """Row of each parent; -1 where there is none or it is missing."""
    import numpy as np

    order = np.argsort(numbers, kind="stable")
    place = np.minimum(np.searchsorted(numbers, wanted, sorter=order), len(numbers) - 1)
    rows: Numbers = order[place]
    rows[~known | (numbers[rows] != wanted)] = -1
    return rows


def _whole_tree(parent: Numbers) -> Numbers:
    """Every row without a way up (a parent that is missing, or a ring) hangs on the first root.

    Raises:
        StoreError: There is no root.
    """
    import numpy as np

    roots = np.flatnonzero(parent < 0)
    if not len(roots):
        raise StoreError("the trace has no root span")
    root = int(roots[0])
    parent[roots[1:]] = root
    above = parent.copy()
    for _ in range(_DEEPEST):
        climbing = above >= 0
        if not climbing.any():
            return parent
        above[climbing] = parent[above[climbing]]
    parent[above >= 0] = root
    return parent


def _requests(samples: pa.Table) -> dict[str, Any]:
    """One slice a request (LoadGen: a query): from its due time, or else its issue, to its last answer."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    begin = pc.coalesce(samples["scheduled_ns"], samples["issued_ns"]).to_numpy()
    query, batch, index, stream = (samples[name].to_numpy() for name in ("query", "batch", "sample_index", "stream"))
    end, issued = samples["end_ns"].to_numpy(), samples["issued_ns"].to_numpy()
    warm, failed = (samples[name].to_numpy(zero_copy_only=False) for name in ("warmup", "failed"))
    # Warm-up samples have no number of their own; each is a request.
    key = np.where(query < 0, -1 - np.arange(len(query)), query)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    begins = np.full(len(first), np.iinfo(np.int64).max)
    ends = np.zeros(len(first), np.int64)
    np.minimum.at(begins, inverse, begin)
    np.maximum.at(ends, inverse, end)
    counts, fails = np.bincount(inverse), np.bincount(inverse, failed)
    texts = [
        json.dumps(
            {
                "query": int(query[row]),
                "batch": int(batch[row]),
                "sample_index": int(index[row]),
                "samples": int(counts[number]),
                "wait_ns": int(issued[row] - begins[number]),
                "stream": int(stream[row]),
                **({"warmup": True} if warm[row] else {}),
                **({"failed_samples": int(fails[number])} if fails[number] else {}),
            }
        )
        for number, row in enumerate(first[:_MAX_REQUESTS].tolist())
    ]
    count = len(texts)
    return {
        "names": ["request"],
        "name": np.zeros(count, np.int32),
        "texts": pa.array(texts, pa.string()),
        "text": np.arange(count, dtype=np.int32),
        "level": np.zeros(count, np.int8),
        "source": np.full(count, REQUEST, np.int8),
        "start_ns": begins[:count],
        "end_ns": ends[:count],
        "parent": np.full(count, -1, np.int64),
        "group": np.zeros(count, np.int32),
        "number": np.arange(count, dtype=np.uint64),
    }


def _finish(record: Record, parts: list[dict[str, Any]], notes: tuple[str, ...]) -> Timeline:
    import numpy as np
    import pyarrow as pa

    names: list[str] = []
    rows = texts = 0
    for part in parts:
        part["text"] = part["text"] + np.int32(texts)
        texts += len(part["texts"])
        part["name"] = part["name"].astype(np.int32) + len(names)
        part["parent"] = np.where(part["parent"] >= 0, part["parent"] + (0 if "of_spans" in part else rows), -1)
        names += part["names"]
        rows += len(part["start_ns"])
    columns: dict[str, Any] = {key: np.concatenate([part.pop(key) for part in parts]) for key in _ARRAYS}
    # A clock that ran backwards makes no slice of negative length.
    columns["end_ns"] = np.maximum(columns["end_ns"], columns["start_ns"])
    root = int(np.flatnonzero((columns["parent"] < 0) & (columns["source"] == SPAN))[0])
    began = record.created_at.astimezone(UTC)
    unix_ns = int(began.timestamp()) * 1_000_000_000 + began.microsecond * 1_000
    return Timeline(
        record=record,
        names=names,
        depth=_depths(columns["parent"]),
        texts=pa.concat_arrays([part["texts"] for part in parts]),
        epoch_ns=unix_ns - int(columns["start_ns"][root]),
        notes=notes,
        **columns,
    )


_ARRAYS = ("name", "level", "source", "start_ns", "end_ns", "parent", "group", "number", "text")


def _depths(parent: Numbers) -> NDArray[np.int16]:
    import numpy as np

    depth = np.zeros(len(parent), np.int16)
    above = parent.copy()
    while (climbing := above >= 0).any():
        depth[climbing] += 1
        above[climbing] = parent[above[climbing]]
    return depth
