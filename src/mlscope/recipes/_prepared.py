"""Prepared sets: pictures of a data set behind the last crop or resize, made once and kept.

::

    cache/preprocessed/
      1234…/pixels.npy        uint8 [samples, *shape] in the model's layout, read-only; 1234… is the set's key
      1234…/prepared.json     what it is: data set, steps, libraries, digest; which pictures failed or were odd
      seen/5678….json         sha256 of each file of a folder of pictures, as long as the file is not touched

The key is the digest of all that decides the pixels: the data set's list, the bytes of every picture, the steps up to
the last crop or resize, the libraries that carry them out with their versions, and mlscope's code for them. A picture
that is replaced gives another key. Deleting the folder, or any part of it, only costs time.
"""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mlscope._files import digest
from mlscope._home import cache_dir
from mlscope._lease import Lease
from mlscope._schema import canonical_digest
from mlscope.errors import DataError, ResourceError
from mlscope.loader import (
    ABOUT,
    PIXELS,
    Dataset,
    Decoder,
    Loaded,
    LoaderPool,
    LoaderSetup,
    UnsplittableError,
    is_finished,
    split_steps,
)
from mlscope.manifests import Hooks, InputSpec
from mlscope.recipes._contents import Contents, memory_of, signature
from mlscope.recipes._once import build_once

__all__ = [
    "PreparedPictures",
    "Watcher",
    "about_prepared",
    "cannot_prepare",
    "lease_of",
    "prepare_pictures",
    "prepared_dir",
]

SCHEMA = "mlscope/prepared/v1"
_DECISIVE = ("shape", "layout", "color_mode", "steps")


class Watcher(Protocol):
    """Hears how making a set goes."""

    def stage(self, name: str, total: int | None = None) -> None:
        """A new stage begins; `total` is how many steps it has."""

    def advance(self, done: int) -> None:
        """`done` steps are through."""

    def warn(self, text: str) -> None:
        """Something that every user must know."""


@dataclasses.dataclass(frozen=True, slots=True)
class PreparedPictures:
    """A prepared set; it is not pruned while this object lives."""

    key: str
    folder: Path
    direct: int | None
    """Where the pixels are the very tensors: place of the first one in the file. None: something is left to do."""
    lease: Lease

    @property
    def pixels(self) -> Path:
        """The mapped file."""
        return self.folder / PIXELS

    def failed(self) -> dict[int, str]:
        """Number of a sample → why it could not be prepared."""
        return {int(number): text for number, text in about_prepared(self.folder)["errors"].items()}

    def oddities(self) -> list[str]:
        """What was odd, once a picture."""
        return list(about_prepared(self.folder)["oddities"].values())


def prepared_dir() -> Path:
    """The folder of all prepared sets (not created here)."""
    return cache_dir() / "preprocessed"


def cannot_prepare(inputs: InputSpec, hooks: Hooks) -> str | None:
    """Why the pictures of a model cannot be kept as bytes; None where they can."""
    own = [name for name in ("before_preprocess", "preprocess", "after_preprocess") if getattr(hooks, name)]
    if own:
        return f"the hook {own[0]} makes the tensors, and nothing tells what it does"
    if inputs.type != "image" or inputs.shape is None:
        return "the model's input is no picture of a known shape"
    try:
        split_steps(inputs.model_dump(mode="json"))
    except UnsplittableError as error:
        return str(error)
    return None


def prepare_pictures(
    dataset: Dataset, count: int, inputs: InputSpec, decoder: Decoder, *, processes: int, watcher: Watcher
) -> PreparedPictures:
    """Have the first samples of a data set prepared: from the cache, or made now.

    Args:
        dataset: The data set.
        count: How many of its samples, from the first.
        inputs: The model's input; :func:`cannot_prepare` has nothing against it.
        decoder: What decodes.
        processes: How many loader processes make it.
        watcher: Hears how it goes.

    Raises:
        DataError: A picture changed while it was read.
        ResourceError: The disk is full or the cache cannot be written.
        WorkerError: A loader process died.
    """
    spec = inputs.model_dump(mode="json")
    paths = [dataset.path(row) for row in range(count)]
    watcher.stage("look at the pictures", len(set(paths)))
    before = [signature(path) for path in paths]
    contents = Contents(memory_of(dataset.root, prepared_dir() / "seen")).digests(paths, watcher.advance)
    first, _ = split_steps(spec)
    wanted = {
        "dataset": dataset.sha256,
        "pictures": canonical_digest([contents[path] for path in paths]),
        "samples": count,
        "input": {key: first[key] for key in _DECISIVE},
        "decoder": decoder.identity,
    }
    key = canonical_digest(wanted)
    about = {
        "schema": SCHEMA,
        "dataset": {"name": dataset.name, "version": dataset.version, "sha256": dataset.sha256},
        "wanted": wanted,
        "lock_sha256": decoder.stack.lock_sha256 if decoder.stack else None,
        "mlscope": metadata.version("mlscope"),
    }
    maker = _Maker(paths, first, decoder, processes, watcher)
    folder = prepared_dir() / key

    def build(partial: Path) -> None:
        maker.make(partial, about)
        for path, then in zip(paths, before, strict=True):
            if signature(path) != then:
                raise DataError("the picture changed while it was prepared", where=path, hint="run it again")

    what = f"the prepared pictures of {dataset.name}"
    lease = lease_of(folder)
    while True:
        build_once(folder, build, whole=lambda found: _intact(found, watcher.warn), what=what, warn=watcher.warn)
        lease.take(fcntl.LOCK_SH, wait=True)
        try:
            os.utime(folder / ABOUT)  # when it was last used
            break
        except FileNotFoundError:  # it was pruned between the two
            lease.take(fcntl.LOCK_UN, wait=True)
    return PreparedPictures(key, folder, _first_byte(folder) if is_finished(spec) else None, lease)


@dataclasses.dataclass(frozen=True, slots=True)
class _Maker:
    """Fills a folder with a prepared set."""

    paths: Sequence[str]
    spec: Mapping[str, Any]
    decoder: Decoder
    processes: int
    hears: Watcher

    def make(self, folder: Path, about: Mapping[str, Any]) -> None:
        began = time.monotonic()
        shape = (len(self.paths), *self.spec["shape"])
        pixels = folder / PIXELS
        size = int(np.prod(shape, dtype=np.int64))
        array = np.lib.format.open_memmap(pixels, "w+", np.uint8, shape)
        offset = int(array.offset)
        del array
        with pixels.open("r+b") as file:  # a full disk shows here, not as a signal to the process that fills a page
            os.posix_fallocate(file.fileno(), 0, offset + size)
        self.hears.stage("prepare the pictures", len(self.paths))
        loaded = self._fill(pixels, offset, size // len(self.paths), folder / "loader.log")
        with pixels.open("rb") as file:
            os.fsync(file.fileno())
        pixels.chmod(0o444)
        told = {
            **about,
            "shape": shape,
            "sha256": digest(pixels),
            "mtime_ns": pixels.stat().st_mtime_ns,
            "errors": {each.row: each.error for each in loaded if each.error},
            "oddities": {each.row: each.oddity for each in loaded if each.oddity},
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(time.monotonic() - began, 3),
        }
        (folder / ABOUT).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def _fill(self, pixels: Path, offset: int, row_bytes: int, log: Path) -> list[Loaded]:
        setup = LoaderSetup(
            input=self.spec,
            hooks={},
            context={},
            ring=pixels,
            ring_offset=offset,
            slot_bytes=row_bytes,
            slots=len(self.paths),
            python=self.decoder.python,
            environment=self.decoder.environment,
        )
        pool = LoaderPool(setup, min(self.processes, len(self.paths)), log)
        loaded: list[Loaded] = []
        try:
            for each in pool.load_all(self.paths):
                if each.error is not None and each.error.startswith("MemoryError"):
                    raise ResourceError("memory ran out while a picture was prepared", where=self.paths[each.row])
                loaded.append(each)
                self.hears.advance(len(loaded))
        finally:
            pool.close()
        log.unlink()
        return sorted(loaded, key=lambda each: each.row)


def about_prepared(folder: Path) -> dict[str, Any]:
    """What ``prepared.json`` says; empty where there is none that can be read."""
    try:
        found = json.loads((folder / ABOUT).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.get("schema") == SCHEMA else {}


def _intact(folder: Path, warn: Callable[[str], None]) -> bool:
    """Whether the file is the one that was made: untouched since then, or else of the same bytes."""
    try:
        about, pixels = about_prepared(folder), folder / PIXELS
        whole = pixels.stat().st_size == int(np.prod(about["shape"], dtype=np.int64)) + _first_byte(folder)
        if whole and (pixels.stat().st_mtime_ns == about["mtime_ns"] or digest(pixels) == about["sha256"]):
            return True
    except (OSError, KeyError, TypeError, ValueError):
        pass
    warn(f"{folder}: the prepared pictures are damaged and are made again")
    return False


def _first_byte(folder: Path) -> int:
    """Where the first sample begins."""
    array: np.memmap[Any, Any] = np.load(folder / PIXELS, mmap_mode="r", allow_pickle=False)
    return int(array.offset)


def lease_of(folder: Path) -> Lease:
    """The lock on a set: shared by those who use it, exclusive for who removes it."""
    return Lease(folder.parent / "leases" / f"{folder.name}.lock")
