"""A recorded run is repeated on the software of its lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlscope.conductor import evaluate, rerun
from mlscope.errors import StoreError
from mlscope.plan import LoadRequest, Request


def test_a_repetition_gives_the_same_bytes_and_is_a_run_of_its_own(home: Path) -> None:
    first = evaluate(Request(command="predict dataset", num_file_parts=20, tags=("a",)))[0]
    again = rerun(first.record.id)
    assert again.identical is True
    assert again.difference is None
    assert again.outcome.record.id != first.record.id
    assert again.outcome.record.plan_id == first.record.plan_id
    assert again.outcome.record.tags == ("a",)


def test_a_run_without_predictions_has_none_to_compare(home: Path) -> None:
    request = Request(command="benchmark", model_name="null", load=LoadRequest(count_override=10, min_duration_s=0))
    again = rerun(evaluate(request)[0].record.id)
    assert again.identical is None
    assert again.outcome.error is None


def test_what_differs_is_told(home: Path) -> None:
    first = evaluate(Request(command="predict dataset", num_file_parts=5))[0]
    assert first.folder is not None
    outputs = first.folder / "outputs-0.npy"
    outputs.chmod(0o644)
    data = bytearray(outputs.read_bytes())
    data[-1] ^= 0x40
    outputs.write_bytes(bytes(data))
    record = first.folder / "evaluation.json"
    entry = next(entry for entry in first.record.files if entry.path == "outputs-0.npy")
    record.chmod(0o644)
    record.write_text(record.read_text().replace(entry.sha256, "0" * 64))
    again = rerun(first.record.id)
    assert again.identical is False
    assert again.difference is not None
    assert "outputs differ by at most" in again.difference


def test_an_unknown_run_is_told(home: Path) -> None:
    with pytest.raises(StoreError):
        rerun("ffffffff")


def test_the_kept_request_holds_no_secret(home: Path) -> None:
    request = Request(command="predict dataset", num_file_parts=1, secret="hush")
    outcome = evaluate(request)[0]
    assert outcome.folder is not None
    text = (outcome.folder / "request.json").read_text()
    assert "hush" not in text
    assert "database" not in text
