"""Steps cut in two: bytes that can be kept, and the rest, which together give the very same tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlscope.loader import (
    UnreadableError,
    UnsplittableError,
    compile_rest,
    compile_steps,
    is_finished,
    split_steps,
)
from mlscope.manifests import InputSpec
from tests.loader.pictures import Array, jpeg, png, scene

SIDE = 12
RESIZES: list[list[dict[str, Any]]] = [
    [{"rule": "exact", "size": [SIDE, SIDE]}],
    [{"rule": "short_side", "size": SIDE + 3, "crop": SIDE}],
    [{"rule": "short_side", "crop_ratio": 0.875, "crop": SIDE}],
    [{"rule": "exact", "size": 20}, {"rule": "exact", "size": [SIDE, SIDE]}],
]
FLOATS = ["float16", "float32", "float64"]
WHOLE = ["uint8", "int8", "int16", "uint16", "int32", "int64"]


@st.composite
def inputs(draw: st.DrawFn) -> InputSpec:
    """Any input that a manifest can declare for pictures."""
    color = draw(st.sampled_from(["RGB", "BGR", "GRAY"]))
    channels = 1 if color == "GRAY" else 3
    layout = draw(st.sampled_from(["HWC", "CHW", "HW"] if color == "GRAY" else ["HWC", "CHW"]))
    sizes = {"HWC": [SIDE, SIDE, channels], "CHW": [channels, SIDE, SIDE], "HW": [SIDE, SIDE]}
    number = st.floats(-300, 300, width=32).filter(lambda value: abs(value) > 1e-3)
    several = number if layout == "HW" else number | st.lists(number, min_size=channels, max_size=channels)
    steps: list[dict[str, Any]] = [{"op": "decode", "library": draw(st.sampled_from(["opencv", "pillow"]))}]
    for step in draw(st.sampled_from(RESIZES)):
        fields = {key: value for key, value in step.items() if key != "crop"}
        library = draw(st.sampled_from(["opencv", "pillow"]))
        way = draw(st.sampled_from(["nearest", "bilinear", "bicubic", "lanczos"]))
        steps.append({"op": "resize", "library": library, "interpolation": way, **fields})
        if "crop" in step:
            steps.append({"op": "crop", "size": step["crop"], "method": draw(st.sampled_from(["center", "top_left"]))})
    element = draw(st.sampled_from([*FLOATS, *WHOLE]))
    for _ in range(draw(st.integers(0, 2))):
        steps.append({"op": "normalize", "mean": draw(several), "scale": draw(several)})
    if element in WHOLE and draw(st.booleans()):
        steps.append({"op": "quantize", "scale": draw(st.floats(0.01, 3)), "zero_point": draw(st.integers(-9, 9))})
    return InputSpec.model_validate(
        {
            "type": "image",
            "element_type": element,
            "layout": layout,
            "shape": sizes[layout],
            "color_mode": color,
            "steps": steps,
        }
    )


PICTURES = [
    jpeg(scene(31, 40)),
    jpeg(scene(25, 19, seed=3), "L"),
    png(scene(14, 90, seed=5)),
    png(scene(20, 20)[..., 0]),
]


def outcome(make: Any, *args: Any) -> Array | str:
    """A tensor, or why there is none."""
    try:
        found: Array = make(*args)
    except UnreadableError as error:
        return str(error)
    return found


@settings(max_examples=150)
@given(inputs(), st.sampled_from(PICTURES))
def test_kept_bytes_and_the_rest_give_what_all_steps_give(spec: InputSpec, picture: bytes) -> None:
    plain = spec.model_dump(mode="json")
    first, _ = split_steps(plain)
    pixels = compile_steps(first)(picture)
    assert (pixels.dtype, pixels.shape) == (np.uint8, spec.shape)
    with np.errstate(all="ignore"):
        whole = outcome(compile_steps(plain), picture)
        parts = outcome(compile_rest(plain), np.ascontiguousarray(pixels))
    if isinstance(whole, str) or isinstance(parts, str):
        assert whole == parts
        return
    assert whole.dtype == parts.dtype
    assert whole.shape == parts.shape
    assert whole.tobytes() == parts.tobytes()
    if is_finished(plain):
        assert parts.tobytes() == pixels.tobytes()


def test_a_resize_behind_a_computation_cannot_be_cut() -> None:
    steps = [{"op": "decode"}, {"op": "normalize"}, {"op": "resize"}]
    with pytest.raises(UnsplittableError, match="the step 'resize' comes after 'normalize'"):
        split_steps({"steps": steps})
