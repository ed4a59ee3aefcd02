"""Which parser reads which profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlscope.analyses.profiles import _mxnet, _onnxruntime, _openvino, _pytorch, _xplane
from mlscope.analyses.profiles._events import BrokenProfile, Profile, read_notes

__all__ = ["read_profile"]

Parser = Callable[[Path, Mapping[str, Any], Path | None], Profile]

_PARSERS: dict[str, Parser] = {
    "jax": _xplane.parse_jax,
    "mxnet": _mxnet.parse,
    "onnxruntime": _onnxruntime.parse,
    "openvino": _openvino.parse,
    "pytorch": _pytorch.parse,
    "tensorflow": _xplane.parse_tensorflow,
}


def read_profile(folder: Path, model: Path | None = None) -> Profile:
    """Read the profile that a worker left in a folder.

    Args:
        folder: With ``profile.json`` and the raw files that it names.
        model: The model's file, for the nodes that each layer stands for.

    Returns:
        The profile; what is missing or damaged is in its warnings, one line.
    """
    try:
        notes = read_notes(folder)
        parser = _PARSERS.get(str(notes["profiler"]))
        if parser is None:
            raise BrokenProfile(f"nobody reads a profile of {notes['profiler']}")
        return parser(folder, notes, model)
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # another version may write another form
        told = f"it has an unknown form ({type(error).__name__}: {error})"
        return Profile("", [], [f"the profile cannot be used, there are no layers: {told}"])
    except BrokenProfile as error:
        return Profile("", [], [f"the profile cannot be used, there are no layers: {error}"])
