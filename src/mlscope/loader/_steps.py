"""The declared input steps, carried out: file bytes to one tensor.

The other side of a resize by ``short_side`` is truncated to an integer, as in MLPerf's reference preprocessing
(mlcommons/inference, vision/classification_and_detection/python/dataset.py) and CK's ``using-opencv`` sets.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlscope.loader._pictures import truncated

__all__ = [
    "UnreadableError",
    "UnsplittableError",
    "check_whole",
    "compile_rest",
    "compile_steps",
    "is_finished",
    "split_steps",
]

Array = np.ndarray[Any, Any]
_MOST_PIXELS = 1 << 27  # of a resized picture; a strip of 1 x 20000 pixels would become gigabytes


class UnreadableError(Exception):
    """A picture that cannot be turned into a tensor; the message says why."""


class UnsplittableError(Exception):
    """Steps that cannot be cut into a part that gives bytes and a part that computes; the message says why."""


Step = Callable[[Any], Any]
_GEOMETRY = ("decode", "resize", "crop")


def compile_steps(spec: Mapping[str, Any]) -> Callable[[bytes], Array]:
    """The function from a file's bytes to a tensor ``spec["shape"]`` of ``spec["element_type"]``.

    Args:
        spec: An input of a model manifest, dumped to plain data.

    The function raises :class:`UnreadableError` for bytes that are no picture, or one that does not fit.
    """
    steps = [_MAKERS[step["op"]](step, spec) for step in spec["steps"]]
    finish = _finisher(spec)

    def run(data: bytes) -> Array:
        value: Any = data
        for step in steps:
            value = step(value)
        return finish(value)

    return run


def split_steps(spec: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mapping[str, Any]]]:
    """Cut the steps behind the last crop or resize.

    Args:
        spec: As for :func:`compile_steps`.

    Returns:
        The same input up to there, which gives ``uint8`` in the declared shape and layout; and the steps that are left.

    Raises:
        UnsplittableError: A resize or crop comes after a step that computes with the pixels.
    """
    steps = spec["steps"]
    first = list(itertools.takewhile(lambda step: step["op"] in _GEOMETRY, steps))
    rest = steps[len(first) :]
    late = next((step["op"] for step in rest if step["op"] in _GEOMETRY), None)
    if late:
        raise UnsplittableError(f"the step {late!r} comes after {rest[0]['op']!r}")
    return {**spec, "steps": first, "element_type": "uint8"}, rest


def compile_rest(spec: Mapping[str, Any]) -> Callable[[Array], Array]:
    """The function that does what :func:`split_steps` left: it gives what :func:`compile_steps` does, to the byte.

    It takes ``uint8`` in the declared shape and layout, and raises :class:`UnreadableError` as the whole does.
    """
    steps = [_MAKERS[step["op"]](step, spec) for step in split_steps(spec)[1]]
    finish, planar = _finisher(spec), spec["layout"] == "CHW"

    def run(pixels: Array) -> Array:
        value: Any = pixels.transpose(1, 2, 0) if planar else pixels
        for step in steps:
            value = step(value)
        return finish(value)

    return run


def is_finished(spec: Mapping[str, Any]) -> bool:
    """Whether :func:`split_steps` leaves nothing to do: the pixels are the tensor."""
    return not split_steps(spec)[1] and spec["element_type"] == "uint8"


def _decode(step: Mapping[str, Any], spec: Mapping[str, Any]) -> Step:
    return _decode_opencv(spec["color_mode"]) if step["library"] == "opencv" else _decode_pillow(spec["color_mode"])


def _decode_opencv(color: str) -> Step:
    """As ``cv2.imread``: an EXIF orientation is carried out, transparency is dropped, 16 bits lose the lower 8."""
    import cv2

    flag = cv2.IMREAD_GRAYSCALE if color == "GRAY" else cv2.IMREAD_COLOR

    def run(data: bytes) -> Array:
        if truncated(data):
            raise UnreadableError("the picture file is truncated")
        if not data:
            raise UnreadableError("the file is empty")
        try:
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
        except cv2.error as error:
            raise UnreadableError(f"OpenCV cannot decode it: {error}") from error
        if picture is None:
            raise UnreadableError("it is no picture that OpenCV can decode")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if color == "RGB" else picture

    return run


def _decode_pillow(color: str) -> Step:
    """As ``Image.open``: an EXIF orientation is left alone, transparency is dropped, 16 bits lose the lower 8."""
    import io

    from PIL import Image, UnidentifiedImageError

    mode = "L" if color == "GRAY" else "RGB"

    def run(data: bytes) -> Any:
        if truncated(data):
            raise UnreadableError("the picture file is truncated")
        try:
            picture: Image.Image = Image.open(io.BytesIO(data))
            if picture.mode.startswith("I"):  # convert() would clip 16 bits at 255
                picture = Image.fromarray((np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8))
            picture = picture.convert(mode)
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UnreadableError(f"Pillow cannot decode it: {error}") from error
        return np.asarray(picture)[:, :, ::-1] if color == "BGR" else picture

    return run


def _array(value: Any) -> Array:
    return value if isinstance(value, np.ndarray) else np.asarray(value)


def _image(value: Any) -> Any:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value


def _size(value: Any) -> tuple[int, int]:
    """Height and width."""
    if isinstance(value, np.ndarray):
        return int(value.shape[0]), int(value.shape[1])
    return int(value.size[1]), int(value.size[0])


def _target(step: Mapping[str, Any], spec: Mapping[str, Any]) -> Callable[[int, int], tuple[int, int]]:
    """The rule that gives the new height and width."""
    size = step.get("size")
    if size is None:
        later = itertools.dropwhile(lambda other: other is not step, spec["steps"])
        goal = next((other["size"] for other in later if other["op"] == "crop"), None) or _plane(spec)
        size = int((goal if isinstance(goal, int) else min(goal)) / step["crop_ratio"])
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    rule = step["rule"]

    def scaled(have_height: int, have_width: int) -> tuple[int, int]:
        if rule == "exact":
            return height, width
        if (have_height < have_width) == (rule == "short_side"):
            return height, have_width * height // have_height
        return have_height * width // have_width, width

    return scaled


def _plane(spec: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of the tensor."""
    shape = spec["shape"]
    height, width = shape[1:3] if spec["layout"] == "CHW" else shape[0:2]
    return int(height), int(width)


def _resize(step: Mapping[str, Any], spec: Mapping[str, Any]) -> Step:
    target = _target(step, spec)
    resize = _resize_opencv(step["interpolation"]) if step["library"] == "opencv" else _resize_pillow(step)

    def run(value: Any) -> Any:
        height, width = target(*_size(value))
        if height < 1 or width < 1 or height * width > _MOST_PIXELS:
            raise UnreadableError(f"it would be resized to {width} x {height} pixels")
        return resize(value, height, width)

    return run


def _resize_opencv(interpolation: str) -> Callable[[Any, int, int], Any]:
    import cv2

    method = {
        "nearest": cv2.INTER_NEAREST,
        "bilinear": cv2.INTER_LINEAR,
        "bicubic": cv2.INTER_CUBIC,
        "area": cv2.INTER_AREA,
        "lanczos": cv2.INTER_LANCZOS4,
    }[interpolation]
    return lambda value, height, width: cv2.resize(_array(value), (width, height), interpolation=method)


def _resize_pillow(step: Mapping[str, Any]) -> Callable[[Any, int, int], Any]:
    from PIL import Image

    method = {
        "nearest": Image.Resampling.NEAREST,
        "bilinear": Image.Resampling.BILINEAR,
        "bicubic": Image.Resampling.BICUBIC,
        "area": Image.Resampling.BOX,
        "lanczos": Image.Resampling.LANCZOS,
    }[step["interpolation"]]
    return lambda value, height, width: _image(value).resize((width, height), method)


def _crop(step: Mapping[str, Any], spec: Mapping[str, Any]) -> Step:
    size = step["size"]
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    centred = step["method"] == "center"

    def run(value: Any) -> Array:
        have_height, have_width = _size(value)
        if have_height < height or have_width < width:
            raise UnreadableError(f"{have_width} x {have_height} pixels are too few for a crop of {width} x {height}")
        top = (have_height - height) // 2 if centred else 0
        left = (have_width - width) // 2 if centred else 0
        return _array(value)[top : top + height, left : left + width]

    return run


def _per_channel(value: float | Sequence[float]) -> Array:
    return np.asarray(value, np.float32)


def _normalize(step: Mapping[str, Any], spec: Mapping[str, Any]) -> Step:
    mean, scale = _per_channel(step["mean"]), _per_channel(step["scale"])
    return lambda value: (_array(value).astype(np.float32) - mean) / scale


def _quantize(step: Mapping[str, Any], spec: Mapping[str, Any]) -> Step:
    limits = np.iinfo(np.dtype(spec["element_type"]))
    scale, zero = np.float32(step["scale"]), float(step["zero_point"])
    return lambda value: np.clip(np.rint(_array(value).astype(np.float32) / scale) + zero, limits.min, limits.max)


_MAKERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Step]] = {
    "decode": _decode,
    "resize": _resize,
    "crop": _crop,
    "normalize": _normalize,
    "quantize": _quantize,
}


def _finisher(spec: Mapping[str, Any]) -> Callable[[Any], Array]:
    """Layout and element type come last; what does not fit the declared shape is an error."""
    shape, dtype, layout = tuple(spec["shape"]), np.dtype(spec["element_type"]), spec["layout"]
    quantized = any(step["op"] == "quantize" for step in spec["steps"])

    def run(value: Any) -> Array:
        array = _array(value)
        if layout == "HW":
            array = array.reshape(array.shape[:2])
        elif array.ndim == 2:
            array = array[:, :, None]
        if layout == "CHW":
            array = array.transpose(2, 0, 1)
        if array.shape != shape:
            raise UnreadableError(f"the steps give shape {array.shape}, the manifest says {shape}")
        if not quantized and array.dtype != dtype:
            check_whole(array, dtype)
        return array.astype(dtype, copy=False)

    return run


def check_whole(array: Array, dtype: np.dtype[Any]) -> None:
    """Refuse values that a cast to a whole-number type would change beyond recognition.

    Raises:
        UnreadableError: They are out of its range, or fractions.
    """
    if dtype.kind not in "iu" or not array.size:
        return
    limits, low, high = np.iinfo(dtype), array.min(), array.max()
    if low < limits.min or high > limits.max or (array.dtype.kind == "f" and (array != np.rint(array)).any()):
        raise UnreadableError(f"values from {low:g} to {high:g} do not fit into {dtype}: a quantize step is missing")
