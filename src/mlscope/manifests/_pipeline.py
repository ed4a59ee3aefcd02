"""Whether the declared steps can lead from a picture to the declared tensor."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from mlscope.manifests._fields import fault
from mlscope.manifests._steps import (
    CropStep,
    DecodeStep,
    NormalizeStep,
    QuantizeStep,
    ResizeStep,
    Step,
    pair,
)

__all__ = ["check_steps"]

_ORDER = {"decode": 0, "resize": 1, "crop": 1, "normalize": 2, "quantize": 3}


def check_steps(steps: Sequence[Step], channels: int, wanted: tuple[int, int] | None, element_type: str) -> None:
    """Check an image input's steps against each other and against its tensor.

    Args:
        steps: The steps, in order.
        channels: Channels of the color mode.
        wanted: Height and width of the tensor; None where they are open.
        element_type: The tensor's element type.

    Raises:
        PydanticCustomError: They do not fit; it says which step.
    """
    if not steps or not isinstance(steps[0], DecodeStep):
        raise fault("the first step of an image input must be 'op: decode'", "steps", 0, "op")
    _check_order(steps)
    for index, step in enumerate(steps):
        if isinstance(step, NormalizeStep):
            _check_channels(step, channels, index)
        if isinstance(step, QuantizeStep) and not element_type.startswith(("int", "uint")):
            raise fault(f"quantize makes whole numbers, element_type is {element_type}", "steps", index, "op")
    _check_size(steps, wanted)


def _check_order(steps: Sequence[Step]) -> None:
    for index, (before, step) in enumerate(itertools.pairwise(steps), start=1):
        if _ORDER[step.op] < _ORDER[before.op]:
            raise fault(f"{step.op} cannot come after {before.op}", "steps", index, "op")
        if step.op == before.op and step.op in ("decode", "quantize"):
            raise fault(f"{step.op} is there twice", "steps", index, "op")


def _check_channels(step: NormalizeStep, channels: int, index: int) -> None:
    for key, value in (("mean", step.mean), ("scale", step.scale)):
        if isinstance(value, tuple) and len(value) not in (1, channels):
            raise fault(f"{key} has {len(value)} numbers for {channels} channel(s)", "steps", index, key)


def _check_size(steps: Sequence[Step], wanted: tuple[int, int] | None) -> None:
    """Follow height and width through the steps; None while the picture's own proportions decide."""
    exact: tuple[int, int] | None = None
    at_least = 0
    resized = 0
    last: tuple[str | int, ...] = ("steps",)
    for index, step in enumerate(steps):
        if isinstance(step, ResizeStep):
            resized, last = index, ("steps", index, "size" if step.size is not None else "crop_ratio")
            exact, at_least = _resized(steps, index, step)
        elif isinstance(step, CropStep):
            last = ("steps", index, "size")
            height, width = step.height_width
            if (exact and (height > exact[0] or width > exact[1])) or 0 < at_least < max(height, width):
                what = "x".join(map(str, exact)) if exact else f"a short side of {at_least}"
                raise fault(f"a crop of {height}x{width} does not fit into {what}", *last)
            exact, at_least = (height, width), 0
    if wanted is None or len(last) == 1:
        return
    if exact is None:
        raise fault(
            f"the picture's proportions leave its size open, the shape wants {wanted[0]}x{wanted[1]}:"
            " add a crop or use 'rule: exact'",
            "steps",
            resized,
            "rule",
        )
    if exact != wanted:
        raise fault(
            f"the steps make {exact[0]}x{exact[1]} (height x width), the shape wants {wanted[0]}x{wanted[1]}", *last
        )


def _resized(steps: Sequence[Step], index: int, step: ResizeStep) -> tuple[tuple[int, int] | None, int]:
    """What is known after a resize: the exact size, or the least side (0: unknown)."""
    if step.size is None:
        if not any(isinstance(later, CropStep) for later in steps[index + 1 :]):
            raise fault("crop_ratio needs a crop after the resize", "steps", index, "crop_ratio")
        return None, 0
    if step.rule == "exact":
        return pair(step.size), 0
    return None, (pair(step.size)[0] if step.rule == "short_side" else 0)
