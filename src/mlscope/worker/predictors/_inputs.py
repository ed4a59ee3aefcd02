"""Which of the model's inputs the manifest means."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from mlscope.worker._problem import Problem
from mlscope.worker.protocol import Load, Tensor

__all__ = ["check_closed", "match", "positions"]


def match(declared: list[Tensor], command: Load) -> tuple[list[Tensor], int | None]:
    """The inputs that will be fed, in the manifest's order, and the batch that the model fixes.

    Args:
        declared: The model's inputs as it declares them: batch first, -1 for what is open.
        command: What the manifest says.

    Returns:
        The inputs under the model's own names, all sizes known (unless only inspecting), the batch first: the fixed
        one or the batch size that is asked for; and the fixed batch, None where any will do.

    Raises:
        Problem: They are not what the manifest says.
    """
    wanted = command.inputs or [Tensor(item.name, "", ()) for item in declared]
    chosen = [declared[place] for place in positions([item.name for item in declared], wanted)]
    found, fixed = [], None
    for have, item in zip(chosen, wanted):
        shape = have.shape[1:]
        if item.element_type:
            _check(have, item)
            shape = item.shape
        if not command.inspect:
            check_closed(have.name, shape)
        batch = have.shape[0] if have.shape else -1
        fixed = batch if batch >= 0 else fixed
        asked = -1 if command.inspect else command.batch_size
        found.append(Tensor(have.name, have.element_type, (batch if batch >= 0 else asked, *shape)))
    return found, fixed


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
        raise Problem("input", f"input {name!r} leaves its shape open: {_sizes(shape)} without the batch")


def _check(have: Tensor, wanted: Tensor) -> None:
    """Whether the model's input is of the manifest's element type and shape."""
    if wanted.element_type != have.element_type:
        raise Problem("input", f"input {have.name!r} is {have.element_type}, the manifest says {wanted.element_type}")
    rest = have.shape[1:]
    if len(rest) != len(wanted.shape) or any(size not in (-1, want) for size, want in zip(rest, wanted.shape)):
        said = f"has shape {_sizes(rest)} without the batch, the manifest says {_sizes(wanted.shape)}"
        raise Problem("input", f"input {have.name!r} {said}")


def _sizes(shape: Sequence[int]) -> str:
    return f"[{', '.join('?' if size < 0 else str(size) for size in shape)}]"


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
