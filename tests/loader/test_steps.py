"""The declared steps do what they say, against independent computations."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mlscope.loader import UnreadableError, compile_steps
from mlscope.manifests import InputSpec
from tests.loader.pictures import Array, jpeg, png, scene

Step = dict[str, Any]
OPENCV = {"nearest": 0, "bilinear": 1, "bicubic": 2, "area": 3, "lanczos": 4}
PILLOW = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def tensor(data: bytes, shape: Sequence[int], *steps: Step, decode: str = "opencv", **fields: Any) -> Array:
    """The tensor of a manifest's input (checked and dumped as the conductor does)."""
    spec = {
        "type": "image",
        "element_type": "uint8",
        "layout": "HWC",
        "shape": list(shape),
        "steps": [{"op": "decode", "library": decode}, *steps],
        **fields,
    }
    return compile_steps(InputSpec.model_validate(spec).model_dump(mode="json"))(data)


def resize(size: int | list[int] | None = None, rule: str = "exact", **fields: Any) -> Step:
    return {"op": "resize", "rule": rule, "size": size, **fields}


def crop(size: int | list[int], **fields: Any) -> Step:
    return {"op": "crop", "size": size, **fields}


@pytest.mark.parametrize("decode", ["opencv", "pillow"])
def test_decoding_gives_the_pixels(decode: str) -> None:
    picture = scene(17, 23)
    found = tensor(png(picture), (17, 23, 3), decode=decode)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, picture)
    np.testing.assert_array_equal(
        tensor(png(picture), (17, 23, 3), decode=decode, color_mode="BGR"), picture[:, :, ::-1]
    )


def test_jpegs_are_decoded_by_the_declared_library() -> None:
    data = jpeg(scene(40, 50))
    by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert by_opencv is not None
    np.testing.assert_array_equal(tensor(data, (40, 50, 3)), by_opencv[:, :, ::-1])
    by_pillow = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(tensor(data, (40, 50, 3), decode="pillow"), by_pillow)


@pytest.mark.parametrize("decode", ["opencv", "pillow"])
def test_grey_tensors_come_in_three_layouts(decode: str) -> None:
    picture = scene(8, 12)
    luma = picture.astype(np.float64) @ [0.299, 0.587, 0.114]
    for layout, shape in (("HW", (8, 12)), ("HWC", (8, 12, 1)), ("CHW", (1, 8, 12))):
        found = tensor(png(picture), shape, decode=decode, layout=layout, color_mode="GRAY")
        assert found.shape == shape
        assert np.abs(found.reshape(8, 12) - luma).max() <= 1.0


@pytest.mark.parametrize("color", ["RGB", "BGR"])
@pytest.mark.parametrize("decode", ["opencv", "pillow"])
def test_chw_is_hwc_transposed(decode: str, color: str) -> None:
    data = png(scene(9, 11))
    steps = (resize([7, 5]),)
    plain = tensor(data, (7, 5, 3), *steps, decode=decode, color_mode=color)
    turned = tensor(data, (3, 7, 5), *steps, decode=decode, color_mode=color, layout="CHW")
    np.testing.assert_array_equal(turned, plain.transpose(2, 0, 1))


@pytest.mark.parametrize("interpolation", OPENCV)
def test_opencv_resizes_as_opencv(interpolation: str) -> None:
    picture = scene(31, 47)
    found = tensor(png(picture), (20, 60, 3), resize([20, 60], library="opencv", interpolation=interpolation))
    expected = cv2.resize(picture, (60, 20), interpolation=OPENCV[interpolation])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("interpolation", PILLOW)
@pytest.mark.parametrize("decode", ["opencv", "pillow"])
def test_pillow_resizes_as_pillow_whoever_decoded(interpolation: str, decode: str) -> None:
    picture = scene(31, 47)
    step = resize([20, 60], library="pillow", interpolation=interpolation)
    expected = np.asarray(Image.fromarray(picture).resize((60, 20), PILLOW[interpolation]))
    np.testing.assert_array_equal(tensor(png(picture), (20, 60, 3), step, decode=decode), expected)


@pytest.mark.parametrize("decode", ["opencv", "pillow"])
@pytest.mark.parametrize("library", ["opencv", "pillow"])
@pytest.mark.parametrize("color", ["RGB", "BGR", "GRAY"])
def test_libraries_can_be_mixed(decode: str, library: str, color: str) -> None:
    picture = scene(30, 40)
    channels = 1 if color == "GRAY" else 3
    step = resize([15, 20], library=library, interpolation="bilinear")
    found = tensor(png(picture), (15, 20, channels), step, decode=decode, color_mode=color)
    expected = cv2.resize(picture, (20, 15), interpolation=cv2.INTER_AREA)
    if color == "GRAY":
        expected = cv2.cvtColor(expected, cv2.COLOR_RGB2GRAY)[:, :, None]
    elif color == "BGR":
        expected = expected[:, :, ::-1]
    assert np.abs(found.astype(int) - expected).mean() < 4


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 60))
def test_the_short_side_becomes_the_size_and_the_other_is_truncated(height: int, width: int, size: int) -> None:
    """MLPerf's reference and CK: ``int(size * width / height)`` for a picture that is wider than high."""
    picture = scene(height, width)
    new = (int(size * height / width), size) if width <= height else (size, int(size * width / height))
    expected = cv2.resize(picture, (new[1], new[0]), interpolation=cv2.INTER_LINEAR)
    top, left = (new[0] - size) // 2, (new[1] - size) // 2
    found = tensor(png(picture), (size, size, 3), resize(size, "short_side"), crop(size))
    np.testing.assert_array_equal(found, expected[top : top + size, left : left + size])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 60))
def test_the_long_side_becomes_the_size_and_the_other_is_truncated(height: int, width: int, size: int) -> None:
    new = (int(size * height / width), size) if width >= height else (size, int(size * width / height))
    data = png(scene(height, width))
    steps = (resize(size, "long_side"), crop([1, 1], method="top_left"))
    if 0 in new:
        with pytest.raises(UnreadableError, match=f"it would be resized to {new[1]} x {new[0]} pixels"):
            tensor(data, (1, 1, 3), *steps)
        return
    expected = cv2.resize(scene(height, width), (new[1], new[0]), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(tensor(data, (1, 1, 3), *steps)[0, 0], expected[0, 0])


@pytest.mark.parametrize(
    ("goal", "ratio", "side"), [(224, 0.875, 256), (299, 0.875, 341), (224, 0.9, 248), (32, 1.0, 32)]
)
def test_a_crop_ratio_is_the_share_that_the_crop_keeps(goal: int, ratio: float, side: int) -> None:
    data = png(scene(50, 70))
    by_ratio = tensor(data, (goal, goal, 3), {"op": "resize", "rule": "short_side", "crop_ratio": ratio}, crop(goal))
    by_size = tensor(data, (goal, goal, 3), resize(side, "short_side"), crop(goal))
    np.testing.assert_array_equal(by_ratio, by_size)


def test_a_crop_ratio_looks_at_the_crop_that_follows() -> None:
    data = png(scene(60, 80))
    ratio: Step = {"op": "resize", "rule": "short_side", "crop_ratio": 0.5}
    found = tensor(data, (10, 12, 3), crop([50, 60]), ratio, crop([10, 12]))
    expected = tensor(data, (10, 12, 3), crop([50, 60]), resize(20, "short_side"), crop([10, 12]))
    np.testing.assert_array_equal(found, expected)


@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_crops_cut_where_they_say(height: int, width: int, data: st.DataObject) -> None:
    picture = scene(height, width)
    wanted = data.draw(st.tuples(st.integers(1, height), st.integers(1, width)))
    top, left = (height - wanted[0]) // 2, (width - wanted[1]) // 2
    centre = tensor(png(picture), (*wanted, 3), crop(list(wanted), method="center"))
    np.testing.assert_array_equal(centre, picture[top : top + wanted[0], left : left + wanted[1]])
    corner = tensor(png(picture), (*wanted, 3), crop(list(wanted), method="top_left"))
    np.testing.assert_array_equal(corner, picture[: wanted[0], : wanted[1]])


def test_a_picture_that_is_smaller_than_the_crop_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="20 x 10 pixels are too few for a crop of 16 x 12"):
        tensor(png(scene(10, 20)), (12, 16, 3), crop([12, 16]))


def test_a_strip_that_would_fill_the_memory_is_unreadable() -> None:
    """1 x 20000 pixels, short side 256: a picture of 4 GB."""
    with pytest.raises(UnreadableError, match="it would be resized to 5120000 x 256 pixels"):
        tensor(png(scene(1, 20000)), (256, 256, 3), resize(256, "short_side"), crop(256))


@pytest.mark.parametrize("mean", [127.5, [103.94, 116.78, 123.68]])
@pytest.mark.parametrize("scale", [127.5, [58.8, 57.1, 57.4]])
@pytest.mark.parametrize(("layout", "shape"), [("HWC", (6, 5, 3)), ("CHW", (3, 6, 5))])
def test_normalising_is_minus_mean_over_scale_in_float32(
    mean: float | list[float], scale: float | list[float], layout: str, shape: tuple[int, ...]
) -> None:
    picture = scene(6, 5)
    step = {"op": "normalize", "mean": mean, "scale": scale}
    found = tensor(png(picture), shape, step, layout=layout, element_type="float32")
    expected = (picture.astype(np.float32) - np.array(mean, np.float32)) / np.array(scale, np.float32)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected if layout == "HWC" else expected.transpose(2, 0, 1))


def test_means_are_in_the_order_of_the_color_mode() -> None:
    picture = scene(6, 5)
    step = {"op": "normalize", "mean": [1.0, 2.0, 3.0], "scale": 1.0}
    found = tensor(png(picture), (6, 5, 3), step, color_mode="BGR", element_type="float32")
    np.testing.assert_array_equal(found, picture[:, :, ::-1].astype(np.float32) - np.array([1, 2, 3], np.float32))


def test_a_grey_tensor_is_normalised_by_one_number() -> None:
    step = {"op": "normalize", "mean": [0.0], "scale": [2.0]}
    plain = tensor(png(scene(6, 5)), (6, 5), layout="HW", color_mode="GRAY")
    found = tensor(png(scene(6, 5)), (6, 5), step, layout="HW", color_mode="GRAY", element_type="float32")
    np.testing.assert_array_equal(found, plain / np.float32(2))


@pytest.mark.parametrize(
    ("element", "scale", "zero"),
    [("int8", 0.0078125, 0), ("uint8", 0.0078, 128), ("int8", 0.02, -14), ("int16", 1e-4, 0)],
)
def test_quantising_rounds_and_saturates(element: str, scale: float, zero: int) -> None:
    picture = scene(6, 5)
    steps = ({"op": "normalize", "mean": 127.5, "scale": 127.5}, {"op": "quantize", "scale": scale, "zero_point": zero})
    found = tensor(png(picture), (6, 5, 3), *steps, element_type=element)
    real = (picture.astype(np.float32) - np.float32(127.5)) / np.float32(127.5)
    limits = np.iinfo(element)
    expected = np.clip(np.round(real / np.float32(scale)) + zero, limits.min, limits.max)
    assert found.dtype == np.dtype(element)
    np.testing.assert_array_equal(found, expected.astype(element))


def test_pixels_are_quantised_in_float32_whatever_numpy_would_choose() -> None:
    picture = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    step = {"op": "quantize", "scale": 0.3, "zero_point": -500}
    found = tensor(png(picture), (16, 16, 3), step, element_type="int16")
    np.testing.assert_array_equal(found, np.round(picture.astype(np.float32) / np.float32(0.3)) - 500)


def test_whole_numbers_that_are_shifted_need_no_quantising() -> None:
    picture = scene(6, 5)
    found = tensor(png(picture), (6, 5, 3), {"op": "normalize", "mean": 128.0, "scale": 1.0}, element_type="int8")
    np.testing.assert_array_equal(found, picture.astype(int) - 128)


@pytest.mark.parametrize("element", ["int8", "uint8"])
def test_values_that_a_whole_number_cannot_hold_are_unreadable(element: str) -> None:
    """A cast would wrap around, or make everything 0, without a word."""
    bright = np.full((4, 4, 3), 200, np.uint8)
    if element == "int8":
        with pytest.raises(UnreadableError, match="values from 200 to 200 do not fit into int8: a quantize step is"):
            tensor(png(bright), (4, 4, 3), element_type="int8")
    step = {"op": "normalize", "mean": 0.0, "scale": 255.0}
    with pytest.raises(UnreadableError, match=r"values from 0\.784314 to 0\.784314 do not fit"):
        tensor(png(bright), (4, 4, 3), step, element_type=element)


@pytest.mark.parametrize("element", ["float16", "float32", "float64", "int32", "uint16", "int64"])
def test_pixels_are_cast_to_the_element_type(element: str) -> None:
    picture = scene(6, 5)
    found = tensor(png(picture), (6, 5, 3), element_type=element)
    assert found.dtype == np.dtype(element)
    np.testing.assert_array_equal(found, picture)


PIPELINES: list[tuple[tuple[int, ...], list[Step]]] = [
    ((7, 9, 3), []),
    ((16, 16, 3), [resize(20, "short_side"), crop(16)]),
    ((16, 16, 3), [{"op": "resize", "rule": "short_side", "crop_ratio": 0.875, "library": "pillow"}, crop(16)]),
    ((8, 24, 3), [resize(24, "long_side"), crop([8, 24])]),
    ((12, 5, 3), [resize([12, 5], library="pillow")]),
    ((30, 30, 3), [crop(30, method="top_left")]),
]


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.sampled_from(PIPELINES),
    st.sampled_from(["opencv", "pillow"]),
    st.sampled_from(["uint8", "float32"]),
)
def test_any_picture_becomes_the_declared_tensor_or_is_unreadable(
    height: int, width: int, pipeline: tuple[tuple[int, ...], list[Step]], decode: str, element: str
) -> None:
    shape, steps = pipeline
    try:
        found = tensor(png(scene(height, width)), shape, *steps, decode=decode, element_type=element)
    except UnreadableError:
        return
    assert (found.shape, found.dtype) == (shape, np.dtype(element))


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(["opencv", "pillow"]), st.sampled_from(["JPEG", "PNG", "none"]))
def test_any_bytes_become_the_declared_tensor_or_are_unreadable(data: st.DataObject, decode: str, kind: str) -> None:
    if kind == "none":
        content = data.draw(st.binary(max_size=300))
    else:
        whole = jpeg(scene(8, 8)) if kind == "JPEG" else png(scene(8, 8))
        spoilt = bytearray(whole)
        for place, value in data.draw(st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)))):
            spoilt[place] = value
        content = bytes(spoilt[: data.draw(st.integers(0, len(whole)))])
    try:
        found = tensor(content, (8, 8, 3), resize([8, 8]), decode=decode)
    except UnreadableError:
        return
    assert (found.shape, found.dtype) == ((8, 8, 3), np.uint8)
