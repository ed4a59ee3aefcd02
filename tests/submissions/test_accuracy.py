"""Accuracy logs, the accuracy that they show, and how they are truncated."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.errors import DataError, ResourceError
from mlscope.submissions import LabelType, answers, imagenet_accuracy, truncate_log
from tests.conftest import Cli
from tests.submissions.small_trees import accuracy_log

_FORMATS: dict[LabelType, str] = {"float32": "<f", "int32": "<i", "int64": "<q"}


def log_of(path: Path, pairs: list[tuple[int, int]], label_type: LabelType = "float32") -> Path:
    """A log as LoadGen writes it."""
    data = [struct.pack(_FORMATS[label_type], label).hex().upper() for _, label in pairs]
    lines = [f'{{ "seq_id" : {n}, "qsl_idx" : {sample}, "data" : "{data[n]}" }}' for n, (sample, _) in enumerate(pairs)]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    return path


def labels_of(path: Path, labels: list[int]) -> Path:
    """A val_map.txt."""
    path.write_text("".join(f"ILSVRC2012_val_{n:08d}.JPEG {label}\n" for n, label in enumerate(labels, 1)))
    return path


@pytest.mark.parametrize("label_type", list(_FORMATS))
def test_the_line_is_that_of_the_official_script(label_type: LabelType, tmp_path: Path) -> None:
    log = log_of(tmp_path / "log.json", [(0, 65), (1, 970), (2, 231), (1, 0)], label_type)
    found = imagenet_accuracy(log, labels_of(tmp_path / "val_map.txt", [65, 970, 230, 809]), label_type)
    assert found.line == "accuracy=66.667%, good=2, total=3"
    assert found.repeated == 1


@given(
    pairs=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1000)), min_size=1, max_size=40),
    labels=st.lists(st.integers(0, 1000), min_size=10, max_size=10),
)
def test_each_sample_counts_once_with_its_first_answer(
    pairs: list[tuple[int, int]], labels: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    first = dict(reversed(pairs))
    good = sum(labels[sample] == label for sample, label in first.items())
    found = imagenet_accuracy(log_of(folder / "log.json", pairs), labels_of(folder / "val_map.txt", labels))
    assert (found.good, found.total, found.repeated) == (good, len(first), len(pairs) - len(first))


def test_a_label_that_is_no_number_is_wrong(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text('[ {"seq_id": 0, "qsl_idx": 0, "data": "0000C07F"} ]')  # NaN
    assert imagenet_accuracy(log, labels_of(tmp_path / "val_map.txt", [0])).line == "accuracy=0.000%, good=0, total=1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[\n]\n", "there is no answer in it"),
        ("[]", "there is no answer in it"),
        ("{}", "it holds no list"),
        ("[\nnonsense\n]\n", "log.json:2: this is no line of an accuracy log"),
        ('[\n{"qsl_idx": 0, "data": "00"}\n', "has 1 bytes, no float32; give the right --dtype"),
        ('[\n{"qsl_idx": 7, "data": "00803844"}\n]', "there is no sample 7 among 1 labels"),
        ('[\n{"qsl_idx": -1, "data": "00803844"}\n]', "there is no sample -1 among 1 labels"),
        ('[\n{"qsl_idx": 0, "data": "xy"}\n]', "its data are not hexadecimal"),
        ('[\n{"qsl_idx": "0", "data": ""}\n]', "an answer has a number `qsl_idx`"),
        ('[\n{"qsl_idx": 0, "data": "00803844"},\n\n\n...\n\n', "it was truncated for a submission; give the original"),
    ],
)
def test_a_log_that_cannot_be_counted_is_one_clear_message(text: str, message: str, tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text(text)
    with pytest.raises(DataError, match=message):
        imagenet_accuracy(log, labels_of(tmp_path / "val_map.txt", [65]))


def test_labels_that_cannot_be_read_are_named_by_line(tmp_path: Path) -> None:
    labels = tmp_path / "val_map.txt"
    labels.write_text("a.jpg 1\nb.jpg\n")
    with pytest.raises(DataError, match=r"val_map.txt:2: this is no line of a picture and its class"):
        imagenet_accuracy(log_of(tmp_path / "log.json", [(0, 1)]), labels)
    with pytest.raises(DataError, match="the labels cannot be read"):
        imagenet_accuracy(log_of(tmp_path / "log.json", [(0, 1)]), tmp_path / "nowhere")


def test_the_command_prints_the_line_and_nothing_else(cli: Cli, tmp_path: Path) -> None:
    log = log_of(tmp_path / "log.json", [(0, 65), (1, 970)], "int32")
    labels = labels_of(tmp_path / "val_map.txt", [65, 1])
    done = cli("accuracy", "imagenet", "--log", log, "--labels", labels, "--dtype", "int32")
    assert (done.code, done.out, done.err) == (0, "accuracy=50.000%, good=1, total=2\n", "")
    failed = cli("accuracy", "imagenet", "--log", tmp_path / "nowhere", "--labels", labels)
    assert failed.code == 5
    assert "the log cannot be read" in failed.err


def test_a_truncated_log_keeps_its_ends_and_the_originals_hash(tmp_path: Path) -> None:
    whole = accuracy_log(1000)
    log, accuracy, backup = (tmp_path / name for name in ("log.json", "accuracy.txt", "kept/log.json"))
    log.write_bytes(whole)
    accuracy.write_text("accuracy=76.456%, good=38228, total=50000\n")
    found = truncate_log(log, accuracy, backup)
    assert log.read_bytes() == whole[:4096] + b"\n\n...\n\n" + whole[-4096:]
    assert log.stat().st_size == 8199
    assert backup.read_bytes() == whole
    sha256 = hashlib.sha256(whole).hexdigest()
    assert (found.sha256, found.original) == (sha256, backup)
    assert accuracy.read_text() == f"accuracy=76.456%, good=38228, total=50000\n\nhash={sha256}\n"
    before = log.read_bytes(), accuracy.read_bytes()
    assert truncate_log(log, accuracy, backup).sha256 == sha256
    assert (log.read_bytes(), accuracy.read_bytes()) == before


def test_a_short_log_is_left_whole_and_gets_its_hash(tmp_path: Path) -> None:
    log, accuracy = log_of(tmp_path / "log.json", [(0, 65)]), tmp_path / "accuracy.txt"
    accuracy.write_text("accuracy=100.000%, good=1, total=1\n")
    before = log.read_bytes()
    for _ in range(2):
        assert truncate_log(log, accuracy, tmp_path / "kept.json").sha256 == hashlib.sha256(before).hexdigest()
    assert log.read_bytes() == before
    assert accuracy.read_text().count("hash=") == 1


def test_an_original_is_never_overwritten(tmp_path: Path) -> None:
    log, accuracy, backup = (tmp_path / name for name in ("log.json", "accuracy.txt", "kept.json"))
    log.write_bytes(accuracy_log(1000))
    accuracy.write_text("accuracy=1.000%, good=1, total=100\n")
    backup.write_text("another")
    with pytest.raises(ResourceError, match="another log is kept here already"):
        truncate_log(log, accuracy, backup)
    assert log.read_bytes() == accuracy_log(1000)
    accuracy.write_text("accuracy=1.000%, good=1, total=100\n\nhash=abc\n")
    with pytest.raises(DataError, match="its hash is not that of"):
        truncate_log(log, accuracy, tmp_path / "kept2.json")


def test_answers_are_read_one_by_one(tmp_path: Path) -> None:
    log = log_of(tmp_path / "log.json", [(3, 1), (2, 1)])
    assert [(each.sample, each.data) for each in answers(log)] == [(3, b"\0\0\x80?"), (2, b"\0\0\x80?")]
