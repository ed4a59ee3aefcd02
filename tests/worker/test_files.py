"""The raw files: growth, what a reader may count on, and full disks."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.worker._files import OutputFile, SampleFile
from mlscope.worker.protocol import SAMPLE_ROW
from tests.worker.process import rows

ROWS = st.lists(st.tuples(*[st.integers(-(2**63), 2**63 - 1)] * 8), max_size=20)


@given(written=ROWS)
def test_rows_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[int, ...]]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "samples.bin"
    file = SampleFile(str(path))
    for row in written:
        file.append(*row)
    file.close()
    assert [tuple(row) for row in rows(path).tolist()] == written


def test_a_file_grows_and_is_cut_to_its_rows(tmp_path: Path) -> None:
    file = SampleFile(str(tmp_path / "samples.bin"))
    first = file.capacity
    for number in range(2 * first + 5):
        file.append(number, 0, 0, 0, 0, 0, 0, 1)
    assert file.capacity >= 2 * first + 5
    assert len(rows(tmp_path / "samples.bin")) == file.capacity
    file.close()
    table = rows(tmp_path / "samples.bin")
    np.testing.assert_array_equal(table[:, 0], np.arange(2 * first + 5))
    assert (table[:, 7] == 1).all()


def test_room_is_allocated_before_it_is_written(tmp_path: Path) -> None:
    """A write into a hole of a mapping is a SIGBUS when the disk is full; an allocation is an error."""
    file = SampleFile(str(tmp_path / "samples.bin"))
    blocks = (tmp_path / "samples.bin").stat().st_blocks
    assert blocks * 512 >= file.capacity * SAMPLE_ROW.size
    file.close()


def test_a_full_disk_is_an_error_and_keeps_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = SampleFile(str(tmp_path / "samples.bin"))
    for number in range(file.capacity):
        file.append(number, 0, 0, 0, 0, 0, 0, 1)

    def full(handle: int, offset: int, length: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        file.append(0, 0, 0, 0, 0, 0, 0, 1)
    file.close()
    assert len(rows(tmp_path / "samples.bin")) == file.rows == file.capacity


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "int64", "bool"])
def test_outputs_go_to_their_rows(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "outputs.npy"
    np.lib.format.open_memmap(path, "w+", np.dtype(dtype), (4, 2, 3))
    file = OutputFile(str(path))
    values = np.arange(6).reshape(2, 3).astype(dtype)
    file.write(2, values)
    file.write(0, values.T.copy().T)  # not contiguous
    file.close()
    found = np.load(path)
    np.testing.assert_array_equal(found[[0, 2]], np.stack([values, values]))
    assert not found[[1, 3]].any()


@pytest.mark.parametrize("shape", [(2, 4), (2, 2), (7,), ()])
def test_an_output_of_another_size_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "outputs.npy"
    np.lib.format.open_memmap(path, "w+", np.float32, (4, 2, 3))
    file = OutputFile(str(path))
    with pytest.raises(ValueError, match="24 when the model was loaded"):
        file.write(1, np.ones(shape, np.float32))
    file.close()
    assert not np.load(path).any()
