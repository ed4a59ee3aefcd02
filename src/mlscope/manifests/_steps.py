"""The steps that turn a picture into a tensor: declared in the manifest, executed by the loader, in order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mlscope.manifests._fields import Node, Number, Numbers, Size, Whole, fault

__all__ = ["CropStep", "DecodeStep", "NormalizeStep", "QuantizeStep", "ResizeStep", "Step"]

Library = Literal["opencv", "pillow"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "area", "lanczos"]


class DecodeStep(Node):
    """Decode the file to 8-bit pixels in the input's `color_mode`; comes first."""

    op: Literal["decode"]
    """This step."""
    library: Library = "opencv"
    """Who decodes. JPEG decoders differ in single pixels, which is enough to change an accuracy."""


class ResizeStep(Node):
    """Resize the picture."""

    op: Literal["resize"]
    """This step."""
    library: Library = "opencv"
    """Who resizes; the same interpolation gives different pixels in OpenCV and Pillow."""
    interpolation: Interpolation = "bilinear"
    """How pixels are made; ``area`` is OpenCV's only."""
    rule: Literal["short_side", "long_side", "exact"] = "exact"
    """``short_side`` or ``long_side``: that side becomes `size`, the other follows in proportion and is truncated
    to a whole number. ``exact``: the picture becomes `size`, whatever its proportions."""
    size: Size | None = None
    """Pixels: a side, or [height, width] with the rule ``exact`` (where one number means a square)."""
    crop_ratio: Number | None = None
    """Instead of `size`, with the rule ``short_side``: the side is int(shorter side of the crop that follows /
    crop_ratio); more than 0, at most 1."""

    @model_validator(mode="after")
    def _consistent(self) -> ResizeStep:
        if self.library == "pillow" and self.interpolation == "area":
            raise fault("pillow has no area interpolation; use opencv", "interpolation")
        if (self.size is None) == (self.crop_ratio is None):
            raise fault("resize needs either 'size' or 'crop_ratio'")
        if self.crop_ratio is not None and self.rule != "short_side":
            raise fault("crop_ratio goes with 'rule: short_side'", "crop_ratio")
        if self.crop_ratio is not None and not 0 < self.crop_ratio <= 1:
            raise fault("crop_ratio must be more than 0 and at most 1", "crop_ratio")
        if self.rule != "exact" and isinstance(self.size, tuple):
            raise fault(f"with 'rule: {self.rule}' the size is one number", "size")
        return self


class CropStep(Node):
    """Cut out a part of the picture."""

    op: Literal["crop"]
    """This step."""
    method: Literal["center", "top_left"] = "center"
    """``center`` leaves (side - size) // 2 pixels at the top and at the left."""
    size: Size
    """Pixels: [height, width], or one number for a square."""

    @property
    def height_width(self) -> tuple[int, int]:
        """The size as (height, width)."""
        return pair(self.size)


class NormalizeStep(Node):
    """Compute (x - mean) / scale in float32."""

    op: Literal["normalize"]
    """This step."""
    mean: Numbers = 0.0
    """On the scale of the pixels (0 to 255); a number, or one a channel in the order of `color_mode`."""
    scale: Numbers = 1.0
    """Divisor, in the same form; never 0."""

    @model_validator(mode="after")
    def _no_zero(self) -> NormalizeStep:
        if isinstance(self.scale, tuple):
            if 0 in self.scale:
                raise fault("scale is a divisor and cannot be 0", "scale", self.scale.index(0))
        elif self.scale == 0:
            raise fault("scale is a divisor and cannot be 0", "scale")
        return self


class QuantizeStep(Node):
    """Compute round(x / scale) + zero_point, limited to the range of the input's whole-number element type."""

    op: Literal["quantize"]
    """This step."""
    scale: Annotated[Number, Field(gt=0)]
    """Real value of one step."""
    zero_point: Whole = 0
    """The whole number that stands for 0."""


Step = Annotated[
    DecodeStep | ResizeStep | CropStep | NormalizeStep | QuantizeStep,
    Field(discriminator="op"),
]


def pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a size."""
    return (size, size) if isinstance(size, int) else size
