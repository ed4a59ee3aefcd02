"""Pictures of all kinds, as bytes of files."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
from PIL import Image

Array = np.ndarray[Any, Any]


def scene(height: int, width: int, seed: int = 0) -> Array:
    """A smooth RGB picture of strong colours, shape [height, width, 3], uint8."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR))


def png(picture: Array) -> bytes:
    """Lossless; RGB or grey, 8 or 16 bits."""
    bgr = picture[:, :, ::-1] if picture.ndim == 3 else picture
    done, data = cv2.imencode(".png", bgr)
    assert done
    return data.tobytes()


def encoded(picture: Array, kind: str, mode: str = "RGB", **options: Any) -> bytes:
    """By Pillow, after a conversion to `mode`."""
    file = io.BytesIO()
    Image.fromarray(picture).convert(mode).save(file, kind, **options)
    return file.getvalue()


def jpeg(picture: Array, mode: str = "RGB", **options: Any) -> bytes:
    return encoded(picture, "JPEG", mode, **{"quality": 95, **options})


def turned(picture: Array, orientation: int = 6) -> bytes:
    """A JPEG that says in its EXIF data that it is to be turned (6: by 90 degrees clockwise)."""
    exif = Image.Exif()
    exif[274] = orientation
    return jpeg(picture, exif=exif)


def with_thumbnail(picture: Array, mode: str = "RGB") -> bytes:
    """A JPEG that holds another, whole JPEG (of colours) in its header."""
    small = jpeg(picture[::4, ::4])
    body = jpeg(picture, mode)
    segment = b"Exif\0\0" + small
    return body[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + body[2:]
