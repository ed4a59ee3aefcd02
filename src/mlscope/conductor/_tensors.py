"""Samples of a load test as the tensors that a model takes, made before it begins."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from mlscope.conductor._predict import loader_setup
from mlscope.conductor._run import Run, mean_ns
from mlscope.errors import DataError
from mlscope.loader import Dataset, LoaderPool
from mlscope.worker.protocol import Loaded, TraceLevel

__all__ = ["sample_files"]

Array = np.ndarray[Any, Any]


def sample_files(run: Run, loaded: Loaded, count: int) -> tuple[list[Path], int]:
    """The first `count` samples as the model takes them: pictures, or random numbers.

    Returns:
        One file an input, and where in them the samples begin.

    Raises:
        DataError: A picture cannot be read; a load test needs all of them.
    """
    pictures = run.prepared.pictures
    if run.prepared.dataset is None:
        return _random_inputs(run, loaded, count), 0
    if pictures is None or pictures.direct is None:
        return _pictures(run, loaded, count), 0
    for row, error in pictures.failed().items():
        raise _unusable(error, run.prepared.dataset.path(row))
    _warn_of_oddities(run, Counter(pictures.oddities()))
    return [pictures.pixels], pictures.direct


def _unusable(error: str, path: str) -> DataError:
    """A load test needs every picture."""
    return DataError(error, where=path, hint="mend the file or its list")


def _warn_of_oddities(run: Run, oddities: Counter[str]) -> None:
    if oddities:
        counts = ", ".join(f"{number} {kind}" for kind, number in sorted(oddities.items()))
        run.warn(f"pictures that are no 8-bit RGB were converted: {counts}")


def _random_inputs(run: Run, loaded: Loaded, count: int) -> list[Path]:
    """Seeded random samples, one file an input: normal numbers, bytes, or 0 and 1 for other whole numbers."""
    random = np.random.default_rng(run.prepared.plan.execution.seed)
    paths = []
    for number, tensor in enumerate(loaded.inputs):
        dtype = np.dtype(tensor.element_type)
        shape = tuple(tensor.shape[1:])
        row_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        path = run.scratch_file(f"input-{number}", count * max(row_bytes, 1))
        values = np.memmap(path, dtype, "r+", shape=(count, *shape))
        for row in range(count):
            values[row] = _random(random, dtype, shape)
        values.flush()
        paths.append(path)
    return paths


def _random(random: np.random.Generator, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
    if dtype.kind == "f":
        return random.standard_normal(shape, np.float32).astype(dtype)
    high = 256 if dtype == np.uint8 else 2
    return random.integers(0, high, shape).astype(dtype)


def _pictures(run: Run, loaded: Loaded, count: int) -> list[Path]:
    """All samples of the test as tensors in one file."""
    dataset = run.prepared.dataset
    assert dataset is not None
    tensor = loaded.inputs[0]
    row_bytes = int(np.prod(tensor.shape[1:], dtype=np.int64)) * np.dtype(tensor.element_type).itemsize
    path = run.scratch_file("input-0", count * row_bytes)
    run.observer.stage("pre-process", count)
    pool = LoaderPool(
        loader_setup(run, path, row_bytes, count),
        run.prepared.plan.execution.loader_processes,
        run.path / "logs" / "loader.log",
    )
    run.pool = pool
    times = _load_all(run, pool, dataset, count)
    run.found.preprocess_mean_ns = mean_ns(times[:, 1] - times[:, 0])
    run.span_each("preprocess_step", TraceLevel.APPLICATION_TRACE, times, sample_index=np.arange(len(times)))
    return [path]


def _load_all(run: Run, pool: LoaderPool, dataset: Dataset, count: int) -> Array:
    """Begin and end of the loading of each sample, shape [count, 2].

    Raises:
        DataError: A picture cannot be read.
    """
    times = np.zeros((count, 2), np.int64)
    oddities = Counter[str]()
    for done, loaded in enumerate(pool.load_all([dataset.path(row) for row in range(count)]), 1):
        if loaded.error:
            raise _unusable(loaded.error, dataset.path(loaded.row))
        if loaded.oddity:
            oddities[loaded.oddity] += 1
        times[loaded.row] = loaded.begin_ns, loaded.end_ns
        run.observer.advance(done)
    _warn_of_oddities(run, oddities)
    return times
