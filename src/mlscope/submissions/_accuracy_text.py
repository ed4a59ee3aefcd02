"""``accuracy.txt``: what the benchmarks' accuracy scripts print.

Source of the forms: mlcommons/inference, tools/submission (ACC_PATTERN), and the results that were published.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from mlscope.results import AccuracyResult
from mlscope.stats import wilson_interval
from mlscope.submissions._values import number

__all__ = ["ACCURACY_FILE", "AccuracyText", "counted", "parse_accuracy", "read_accuracy"]

ACCURACY_FILE = "accuracy.txt"
_MOST_BYTES = 1 << 20
_LONGEST_LINE = 4000
_COUNTED = re.compile(r"accuracy=([\d.]{1,20})%, good=(\d{1,12}), total=(\d{1,12})")
_HASH = re.compile(r"hash=([0-9a-fA-F]{64})")
_NUMBER = r"'?([\d.]{1,20})"
_FORMS = {
    "accuracy": (
        r"^(?:\{\"accuracy|accuracy)[\": ]*=?\s*([\d.]{1,20})",
        r"Word Error Rate:.*, accuracy=([\d.]{1,20})%",
    ),
    "mAP": (r"(?:mAP=|'Total':)\s*([\d.]{1,20})",),
    "BLEU": (r"^BLEU:\s*([\d.]{1,20})",),
    "AUC": (r"^AUC=([\d.]{1,20})",),
    "F1": (r"[\"']f1[\"']:\s*([\d.]{1,20})",),
    "DICE": (r"Accuracy:\s*mean\s*=\s*([\d.]{1,20})",),
    **{name.upper(): (rf"'{name}':\s+{_NUMBER}",) for name in ("rouge1", "rouge2", "rougeL", "rougeLsum")},
    **{
        name: (rf"'{name}':\s*{_NUMBER}",)
        for name in ("mean-accuracy", "gen_len", "tokens_per_sample", "CLIP_SCORE", "FID_SCORE", "gsm8k", "mbxp")
    },
    **{name: (rf"'{name}':\s*{_NUMBER}",) for name in ("exact_match", "vbench_score")},
}
_PATTERNS = [(name, re.compile(form)) for name, forms in _FORMS.items() for form in forms]


@dataclasses.dataclass(frozen=True, slots=True)
class AccuracyText:
    """What such a file says.

    Attributes:
        values: Measure → value, as it stands there.
        good: Right answers; None where the file does not count them.
        total: Of how many.
        log_sha256: Digest of the accuracy log before it was truncated (``hash=…``); None without one.
    """

    values: dict[str, float]
    good: int | None
    total: int | None
    log_sha256: str | None


def read_accuracy(path: Path) -> AccuracyText:
    """Read an ``accuracy.txt``.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        return parse_accuracy(file.read(_MOST_BYTES).decode("utf-8", errors="replace"))


def parse_accuracy(text: str) -> AccuracyText:
    """Read the text of an ``accuracy.txt``; what is not understood is left out."""
    values: dict[str, float] = {}
    counted_line = hashed = None
    for line in text.splitlines():
        short = line[:_LONGEST_LINE]
        counted_line, hashed = counted_line or _COUNTED.search(short), _HASH.fullmatch(short.strip()) or hashed
        for name, pattern in _PATTERNS:
            found = pattern.search(short)
            if found and (value := number(found[1].rstrip("."))) is not None:
                values.setdefault(name, float(value))
    return AccuracyText(
        values=values,
        good=int(counted_line[2]) if counted_line else None,
        total=int(counted_line[3]) if counted_line else None,
        log_sha256=hashed[1].lower() if hashed else None,
    )


def counted(good: int | None, total: int | None) -> AccuracyResult | None:
    """Right answers of a classification as records hold them; None where they were not counted."""
    if good is None or not total or good > total:
        return None
    low, high = wilson_interval(good, total)
    return AccuracyResult(
        evaluated=total,
        failed=0,
        top1_good=good,
        top5_good=None,
        top1=good / total,
        top1_low=low,
        top1_high=high,
        top5=None,
        top5_low=None,
        top5_high=None,
    )
