"""A prepared set: the pictures of a data set as ``uint8``, behind the last crop or resize, in one mapped file.

::

    pixels.npy       uint8 [samples, *shape], the model's declared layout; 0 where a picture failed
    prepared.json    what it is, and which pictures failed or were odd

:mod:`mlscope.recipes` makes and keeps them; here they are read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlscope.loader._steps import UnreadableError, compile_rest

__all__ = ["ABOUT", "PIXELS", "PreparedSet"]

PIXELS = "pixels.npy"
ABOUT = "prepared.json"
Array = np.ndarray[Any, Any]


class PreparedSet:
    """Gives tensors of prepared pictures: what is left are mean, scale and cast."""

    def __init__(self, folder: Path, spec: Mapping[str, Any]) -> None:
        about = json.loads((folder / ABOUT).read_bytes())
        self._errors: dict[str, str] = about["errors"]
        self._oddities: dict[str, str] = about["oddities"]
        self._pixels: Array = np.load(folder / PIXELS, mmap_mode="r", allow_pickle=False)
        self._finish = compile_rest(spec)

    def open(self, number: int, path: str) -> tuple[str | None, Callable[[], Array]]:
        """What is odd about a picture, and the function that gives its tensor; it raises what preparing it raised."""
        return self._oddities.get(str(number)), lambda: self._tensor(number)

    def _tensor(self, number: int) -> Array:
        error = self._errors.get(str(number))
        if error is not None:
            raise UnreadableError(error)
        return self._finish(self._pixels[number])
