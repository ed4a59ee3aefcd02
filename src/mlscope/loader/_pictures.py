"""What a picture file is, read from its first bytes: enough to name what is odd about it."""

from __future__ import annotations

import struct

__all__ = ["oddity", "truncated"]

_SOF = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def oddity(data: bytes) -> str | None:
    """``grey``, ``CMYK`` or ``16-bit`` for a JPEG or PNG that is no 8-bit RGB picture; else None."""
    if data.startswith(b"\xff\xd8"):
        return _jpeg_oddity(data)
    if data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) >= 26:
        depth, colour = data[24], data[25]
        if depth == 16:
            return "16-bit"
        if colour in (0, 4):
            return "grey"
    return None


def _jpeg_oddity(data: bytes) -> str | None:
    """From the frame header (ITU-T T.81, B.2.2): sample precision and number of components."""
    place = 2
    while place + 9 < len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _SOF:
            precision, components = data[place + 4], data[place + 9]
            if precision > 8:
                return f"{precision}-bit"
            return {1: "grey", 4: "CMYK"}.get(components)
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    return None


def truncated(data: bytes) -> bool:
    """Whether a JPEG or PNG ends before its end marker; decoders fill the rest with grey and say nothing."""
    if data.startswith(b"\xff\xd8"):
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda") or b"\xff\xda" not in data
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-64:]
    return False
