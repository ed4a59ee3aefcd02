"""The seam between results and whatever keeps them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from mlscope.results._record import Record

__all__ = ["EVERYTHING", "Filter", "Store"]


@dataclasses.dataclass(frozen=True, slots=True)
class Filter:
    """Which evaluations: those that equal every field that is set."""

    model_name: str | None = None
    model_version: str | None = None
    framework_name: str | None = None
    framework_version: str | None = None
    arch: str | None = None
    """The record's ``system.machine_architecture``."""
    hostname: str | None = None
    batch_size: int | None = None
    dataset_name: str | None = None
    kind: str | None = None
    status: str | None = None
    experiment: str | None = None
    tag: str | None = None
    """One of the record's tags."""
    command: str | None = None
    scenario: str | None = None
    ids: tuple[str, ...] = ()
    """Whole ids, of which the evaluation has one; empty: any."""


EVERYTHING = Filter()


class Store(Protocol):
    """An index over evaluations.

    Every method raises StoreError when the store cannot be reached or is damaged, and ResourceError when its
    disk is full or it cannot be written. An evaluation that lies here under several origins is found once.
    """

    def put(self, record: Record, folder: Path, *, blobs: Sequence[str]) -> None:
        """Store a sealed run, all or nothing; what is there already stays as it is.

        Args:
            record: The run's record.
            folder: Its folder.
            blobs: Which of the record's files go along. The local index leaves them in the folder.
        """

    def get(self, evaluation_id: str) -> Record:
        """The record with this id, or the only one whose id starts so (4 digits or more).

        Raises:
            StoreError: There is none, or there are several (the message lists them).
        """

    def find(
        self,
        where: Filter = EVERYTHING,
        *,
        newest_first: bool = True,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Record]:
        """Records by time of their start; `limit` None or negative: all."""

    def count(self, where: Filter = EVERYTHING) -> int:
        """How many records :meth:`find` would give without a limit."""

    def blobs(self, evaluation_id: str) -> list[str]:
        """Names of the files that :meth:`open_blob` can open, sorted."""

    def open_blob(self, evaluation_id: str, name: str) -> BinaryIO:
        """Open a file of an evaluation for reading (it can be sought); the caller closes it.

        Raises:
            StoreError: The evaluation has no such file here, or the file is damaged.
        """

    def delete(self, evaluation_id: str) -> None:
        """Remove what this home stored under an id or a unique prefix; run folders and other origins stay.

        Raises:
            StoreError: There is nothing of this home with that id.
        """
