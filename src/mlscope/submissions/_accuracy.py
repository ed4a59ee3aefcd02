"""LoadGen's accuracy logs, and the accuracy of an image classifier that they show."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from mlscope.errors import DataError

__all__ = ["Answer", "ImagenetAccuracy", "LabelType", "answers", "imagenet_accuracy", "labels_of"]

LabelType = Literal["float32", "int32", "int64"]
"""What a model answers with, one number a sample."""

_WHOLE = 64 << 20  # a log without line ends must be read in one piece; LoadGen writes none like that


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """One line of `mlperf_log_accuracy.json`."""

    sample: int
    """Index of the sample in the data set (`qsl_idx`)."""
    data: bytes
    """The bytes that the system under test answered with."""


@dataclasses.dataclass(frozen=True, slots=True)
class ImagenetAccuracy:
    """Accuracy of a classifier by its accuracy log."""

    good: int
    total: int
    """Samples of the log, each counted once."""
    repeated: int
    """Lines left out because their sample had been answered before."""

    @property
    def line(self) -> str:
        """The line of `accuracy.txt`, as the official `accuracy-imagenet.py` prints it."""
        return f"accuracy={100.0 * self.good / self.total:.3f}%, good={self.good}, total={self.total}"


def imagenet_accuracy(log: Path, labels: Path, label_type: LabelType = "float32") -> ImagenetAccuracy:
    """What `accuracy-imagenet.py` of the reference implementation computes.

    Args:
        log: `mlperf_log_accuracy.json` as LoadGen wrote it.
        labels: `val_map.txt`: a picture and its class a line, in the order of the data set.
        label_type: Type of the number that stands at the start of an answer's bytes.

    Raises:
        DataError: One of the files cannot be read, or the log answers for samples that the list does not have.
    """
    truth = labels_of(labels)
    seen: set[int] = set()
    good = lines = 0
    for answer in answers(log):
        lines += 1
        if answer.sample in seen:
            continue
        seen.add(answer.sample)
        if not 0 <= answer.sample < len(truth):
            raise DataError(
                f"there is no sample {answer.sample} among {len(truth)} labels", where=str(log), hint=f"is {labels} it?"
            )
        good += _label(answer, label_type, log) == truth[answer.sample]
    if not seen:
        raise DataError("there is no answer in it", where=str(log), hint="give the log of an accuracy run")
    return ImagenetAccuracy(good, len(seen), lines - len(seen))


def labels_of(path: Path) -> list[int]:
    """The class of each sample of `val_map.txt`.

    Raises:
        DataError: The file cannot be read, or a line does not end with a number.
    """
    found = []
    try:
        with path.open(encoding="utf-8", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                if words := line.split():
                    found.append(_class(words, f"{path}:{number}"))
    except OSError as error:
        raise DataError(f"the labels cannot be read: {error.strerror}", where=str(path)) from error
    return found


def _class(words: list[str], where: str) -> int:
    try:
        return int(words[1])
    except (IndexError, ValueError):
        raise DataError("this is no line of a picture and its class", where=where) from None


def _label(answer: Answer, label_type: LabelType, log: Path) -> int:
    """The number at the start of an answer; what is no number (NaN) is no class."""
    width = np.dtype(label_type).itemsize
    if len(answer.data) < width or len(answer.data) % width:
        raise DataError(
            f"the answer for sample {answer.sample} has {len(answer.data)} bytes, no {label_type}",
            where=str(log),
            hint="give the right --dtype",
        )
    value = np.frombuffer(answer.data, np.dtype(label_type).newbyteorder("<"), count=1)[0]
    return int(value) if np.isfinite(value) else -1


def answers(log: Path) -> Iterator[Answer]:
    """The answers of an accuracy log, one after the other: it may be larger than memory.

    Raises:
        DataError: The file cannot be read, was truncated for a submission, or is no accuracy log.
    """
    try:
        with log.open(encoding="utf-8") as file:
            first = file.readline(_WHOLE)
            if first.strip() in {"[", "[]", ""}:
                yield from _lines(file, log)
            else:
                yield from _whole(first + file.read(_WHOLE), log)
    except OSError as error:
        raise DataError(f"the log cannot be read: {error.strerror}", where=str(log)) from error
    except UnicodeDecodeError as error:
        raise DataError(f"this is no text: {error.reason}", where=str(log)) from error


def _lines(file: Iterable[str], log: Path) -> Iterator[Answer]:
    for number, line in enumerate(file, 2):
        text = line.strip()
        if text in {"", "[", "]"}:
            continue
        if text == "...":
            raise DataError("it was truncated for a submission", where=f"{log}:{number}", hint="give the original log")
        try:
            entry = json.loads(text.removesuffix(","))
        except ValueError as error:
            raise DataError(f"this is no line of an accuracy log: {error}", where=f"{log}:{number}") from error
        yield _answer(entry, f"{log}:{number}")


def _whole(text: str, log: Path) -> Iterator[Answer]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"this is no accuracy log: {error}", where=str(log)) from error
    if not isinstance(entries, list):
        raise DataError("this is no accuracy log: it holds no list", where=str(log))
    for entry in entries:
        yield _answer(entry, str(log))


def _answer(entry: object, where: str) -> Answer:
    match entry:
        case {"qsl_idx": int(sample), "data": str(data)}:
            try:
                return Answer(sample, bytes.fromhex(data))
            except ValueError:
                raise DataError("its data are not hexadecimal", where=where) from None
    raise DataError("an answer has a number `qsl_idx` and a text `data`", where=where)
