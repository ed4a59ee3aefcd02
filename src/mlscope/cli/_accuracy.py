"""``mlscope accuracy imagenet``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from mlscope.cli import _values
from mlscope.cli._declare import flag
from mlscope.cli._flags import Globals
from mlscope.cli._terminal import emit, note

__all__ = ["imagenet"]

_GLOBALS = Globals()


def imagenet(
    *,
    log: Annotated[Path, flag("mlperf_log_accuracy.json, as LoadGen wrote it.", metavar="FILE")],
    labels: Annotated[Path, flag("val_map.txt: a picture and its class a line.", metavar="FILE")],
    dtype: Annotated[
        Literal["float32", "int32", "int64"],
        flag("Type of the number that the model answers with.", converter=_values.choice),
    ] = "float32",
    flags: Globals = _GLOBALS,
) -> None:
    """Compute the accuracy of an image classifier from LoadGen's accuracy log.

    The line is that of MLPerf's accuracy-imagenet.py, byte for byte: it is what accuracy.txt of a submission holds.
    """
    from mlscope.submissions import imagenet_accuracy

    found = imagenet_accuracy(log, labels, dtype)
    emit(found.line)
    if flags.verbose and found.repeated:
        note(f"{found.repeated} repeated answers were left out")
