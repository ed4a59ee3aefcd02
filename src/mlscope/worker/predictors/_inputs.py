"""Which of the model's inputs the manifest means."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from mlscope.worker._problem import Problem
from mlscope.worker.protocol import Tensor

__all__ = ["check_closed", "positions"]


def positions(names: list[str], wanted: list[Tensor]) -> list[int]:
    """The place in `names` of every wanted input: by its name, by its number, or by its own place.

    Raises:
        Problem: They are not the model's inputs, each once.
    """
    if len(wanted) != len(names):
        raise Problem("input", f"the model has {len(names)} inputs ({', '.join(names)}), {len(wanted)} are declared")
    found = [_position(names, item.name, place) for place, item in enumerate(wanted)]
    if len(set(found)) != len(found):
        twice = next(names[place] for place in found if found.count(place) > 1)
        raise Problem("input", f"input {twice!r} is declared twice; the model has {', '.join(names)}")
    return found


def check_closed(name: str, shape: Sequence[int]) -> None:
    """Whether all sizes are known, so that the model can be run.

    Raises:
        Problem: One is -1.
    """
    if -1 in shape:
        sizes = ", ".join("?" if size < 0 else str(size) for size in shape)
        raise Problem("input", f"input {name!r} leaves its shape open: [{sizes}] without the batch")


def _position(names: list[str], name: str, place: int) -> int:
    if not name:
        return place
    if name in names:
        return names.index(name)
    if name.isdigit() and int(name) < len(names):
        return int(name)
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names)}"
    raise Problem("input", f"the model has no input {name!r}; {hint}")
