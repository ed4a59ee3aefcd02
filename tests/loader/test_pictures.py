"""Odd pictures are named; broken ones are unreadable, never grey."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.loader import UnreadableError
from mlscope.loader._pictures import oddity, truncated
from tests.loader.pictures import encoded, jpeg, png, scene, turned, with_thumbnail
from tests.loader.test_steps import tensor

PICTURE = scene(20, 30)
DEEP = PICTURE.astype(np.uint16) * 257
ODD: dict[str, tuple[bytes, str | None]] = {
    "JPEG": (jpeg(PICTURE), None),
    "progressive JPEG": (jpeg(PICTURE, progressive=True), None),
    "grey JPEG": (jpeg(PICTURE, "L"), "grey"),
    "CMYK JPEG": (jpeg(PICTURE, "CMYK"), "CMYK"),
    "turned JPEG": (turned(PICTURE), None),
    "JPEG with a thumbnail": (with_thumbnail(PICTURE), None),
    "grey JPEG with a thumbnail": (with_thumbnail(PICTURE, "L"), "grey"),
    "JPEG with a restart interval": (jpeg(PICTURE, restart_marker_blocks=1), None),
    "PNG": (png(PICTURE), None),
    "grey PNG": (png(PICTURE[:, :, 0]), "grey"),
    "grey PNG with transparency": (encoded(PICTURE, "PNG", "LA"), "grey"),
    "black and white PNG": (encoded(PICTURE, "PNG", "1"), "grey"),
    "PNG with transparency": (encoded(PICTURE, "PNG", "RGBA"), "RGBA"),
    "palette PNG": (encoded(PICTURE, "PNG", "P"), None),
    "16-bit PNG": (png(DEEP), "16-bit"),
    "16-bit grey PNG": (png(DEEP[:, :, 0]), "16-bit"),
    "GIF": (encoded(PICTURE, "GIF"), None),
    "BMP": (encoded(PICTURE, "BMP"), None),
    "WebP": (encoded(PICTURE, "WEBP"), None),
    "TIFF": (encoded(PICTURE, "TIFF"), None),
}
every_kind = pytest.mark.parametrize("kind", ODD)


@every_kind
def test_what_is_odd_is_named(kind: str) -> None:
    data, name = ODD[kind]
    assert oddity(data) == name


@every_kind
def test_a_whole_file_is_not_called_truncated(kind: str) -> None:
    assert not truncated(ODD[kind][0])


@pytest.mark.parametrize("kind", sorted(ODD.keys() - {"turned JPEG", "black and white PNG"}))
@pytest.mark.parametrize("decode", ["opencv", "pillow"])
@pytest.mark.parametrize("color", ["RGB", "GRAY"])
def test_every_kind_of_picture_is_decoded(kind: str, decode: str, color: str) -> None:
    """What comes out is the picture: close to it, up to what the format itself loses."""
    shape = (20, 30, 3) if color == "RGB" else (20, 30, 1)
    found = tensor(ODD[kind][0], shape, decode=decode, color_mode=color)
    expected = PICTURE
    if kind in ("grey PNG", "16-bit grey PNG"):
        expected = PICTURE[:, :, :1].repeat(3, axis=2)
    if color == "GRAY" or "grey" in kind:
        expected = (expected @ [0.299, 0.587, 0.114])[:, :, None].repeat(shape[2], axis=2)
    exact = "PNG" in kind or kind in ("BMP", "TIFF")
    limit = 16.0 if kind in ("palette PNG", "GIF") else 1.0 if exact else 6.0
    assert np.abs(found.astype(float) - expected).mean() <= limit


@pytest.mark.parametrize("decode", ["opencv", "pillow"])
def test_16_bits_lose_their_lower_half(decode: str) -> None:
    """Pillow itself would clip at 255, which makes the picture white."""
    found = tensor(png(DEEP[:, :, 0]), (20, 30), decode=decode, layout="HW", color_mode="GRAY")
    np.testing.assert_array_equal(found, PICTURE[:, :, 0])


def test_opencv_turns_a_picture_as_its_exif_data_say_and_pillow_does_not() -> None:
    """As ``cv2.imread`` and ``Image.open``, which the reference pre-processings use."""
    data = turned(PICTURE)
    upright = tensor(jpeg(PICTURE), (20, 30, 3))
    np.testing.assert_array_equal(tensor(data, (30, 20, 3)), np.rot90(upright, -1))
    np.testing.assert_array_equal(
        tensor(data, (20, 30, 3), decode="pillow"), tensor(jpeg(PICTURE), (20, 30, 3), decode="pillow")
    )


@pytest.mark.parametrize("decode", ["opencv", "pillow"])
@pytest.mark.parametrize("kind", ["JPEG", "progressive JPEG", "JPEG with a thumbnail", "PNG", "16-bit PNG"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_unreadable(kind: str, share: float, decode: str) -> None:
    data = ODD[kind][0]
    with pytest.raises(UnreadableError):
        tensor(data[: int(share * len(data))], (20, 30, 3), decode=decode)


@given(st.sampled_from(["JPEG", "progressive JPEG", "JPEG with a thumbnail", "PNG"]), st.data())
def test_any_cut_is_unreadable(kind: str, data: st.DataObject) -> None:
    whole = ODD[kind][0]
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(UnreadableError):
        tensor(whole[:cut], (20, 30, 3))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "JPEG with a thumbnail"])
@pytest.mark.parametrize(
    "more", [b"\0" * 200, b"trailing words " * 20, b"\xff\xda\xff\xd9", jpeg(PICTURE), b"\xff\xda"]
)
def test_what_follows_the_end_does_not_matter(kind: str, more: bytes) -> None:
    data = ODD[kind][0]
    assert not truncated(data + more)
    np.testing.assert_array_equal(tensor(data + more, (20, 30, 3)), tensor(data, (20, 30, 3)))


def test_fill_bytes_between_segments_are_allowed() -> None:
    data = jpeg(PICTURE, "L")
    filled = data[:2] + b"\xff\xff\xff" + data[2:]
    assert not truncated(filled)
    assert oddity(filled) == "grey"


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda rest: b"\xff\xd8" + rest))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    assert oddity(data) in {None, "grey", "CMYK", "RGBA", "16-bit", *(f"{bits}-bit" for bits in range(9, 256))}
    assert truncated(data) in (True, False)


@pytest.mark.parametrize("decode", ["opencv", "pillow"])
@pytest.mark.parametrize(
    "content", [b"", b"hello, this is a text file named .jpg\n" * 30, b"\xff\xd8\xff\xd9", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_picture_is_unreadable(content: bytes, decode: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        tensor(content, (20, 30, 3), decode=decode)
    assert "\n" not in str(caught.value)


def test_no_real_picture_is_called_truncated(shared_dir: Path) -> None:
    files = sorted((shared_dir / "imagenet500").glob("*.JPEG"))
    found: dict[Any, int] = {}
    for file in files:
        data = file.read_bytes()
        assert not truncated(data), file
        assert truncated(data[:-2]), file
        found[oddity(data)] = found.get(oddity(data), 0) + 1
    assert found == {None: 491, "grey": 9}
