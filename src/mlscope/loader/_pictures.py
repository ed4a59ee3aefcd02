"""What a picture file is, read from its first bytes: enough to name what is odd about it."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["oddity", "truncated"]

_SOF = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOS = 0xDA
_EOI = b"\xff\xd9"


def oddity(data: bytes) -> str | None:
    """``grey``, ``CMYK``, ``RGBA`` or ``16-bit`` for a JPEG or PNG that is no 8-bit RGB picture; else None.

    A palette PNG is none of them: its colours are 8-bit RGB.
    """
    if data.startswith(b"\xff\xd8"):
        return _jpeg_oddity(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 26:
        depth, colour = data[24], data[25]
        if depth == 16:
            return "16-bit"
        return {0: "grey", 4: "grey", 6: "RGBA"}.get(colour)
    return None


def _segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and place of each segment of a JPEG up to its first scan (ITU-T T.81, B.1.1)."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
            continue
        yield marker, place
        if marker == _SOS:
            return
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")


def _jpeg_oddity(data: bytes) -> str | None:
    """From the frame header (B.2.2): sample precision and number of components."""
    place = next((place for marker, place in _segments(data) if marker in _SOF), len(data))
    if place + 9 >= len(data):
        return None
    precision, components = data[place + 4], data[place + 9]
    if precision > 8:
        return f"{precision}-bit"
    return {1: "grey", 4: "CMYK"}.get(components)


def truncated(data: bytes) -> bool:
    """Whether a JPEG or PNG ends before its end marker; decoders fill the rest with grey and say nothing.

    Thumbnails in a JPEG's header have markers of their own, so the end is looked for behind the first scan. What
    follows the end (some cameras append more pictures) is nobody's business.
    """
    if data.startswith(b"\xff\xd8"):
        scan = next((place for marker, place in _segments(data) if marker == _SOS), data.rfind(b"\xff\xda"))
        return data.find(_EOI, max(scan, 0)) < 0
    if data.startswith(b"\x89PNG"):
        end = data.rfind(b"IEND")
        return end < 0 or len(data) < end + 8
    return False
