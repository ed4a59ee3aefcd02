"""The Python API: the same evaluations, typed, with samples as arrays."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mlscope
from mlscope.conductor import SilentObserver
from tests.e2e import running


class Heard(SilentObserver):
    """Remembers stages and the last step."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.done = 0

    def stage(self, name: str, total: int | None = None) -> None:
        """Remember it."""
        self.stages.append(name)

    def advance(self, done: int) -> None:
        """Remember it."""
        self.done = done


def test_an_evaluation_is_a_typed_record_with_samples_as_numpy_and_pandas(home: Path) -> None:
    heard = Heard()
    run = mlscope.evaluate("Digits_CNN", "digits", num_file_parts=12, batch_size=5, tags=("x",), observer=heard)
    assert isinstance(run, mlscope.Evaluation)
    assert isinstance(run.record, mlscope.Record)
    latencies = run.latencies_ns(of="sample")
    assert (str(latencies.dtype), latencies.shape) == ("int64", (60,))
    assert (latencies > 0).all()
    assert len(run.latencies_ns(of="sample", warmup=True)) == 5
    frame = run.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == 65
    assert heard.stages == ["prepare", "load the model", "warm up", "predict", "record"]
    assert heard.done == 60


def test_the_store_finds_gets_and_lists_newest_first(home: Path) -> None:
    runs = [mlscope.evaluate("null", num_file_parts=2, tags=(tag,)).record.id for tag in ("a", "b", "b")]
    store = mlscope.open_store()
    assert list(store.ids()) == runs[::-1]
    assert [each.record.id for each in store.find(tag="b", limit=1)] == [runs[2]]
    assert [each.record.id for each in store.find(tag="b", offset=1)] == [runs[1]]
    assert [each.record.id for each in store] == runs[::-1]
    assert store.get(runs[0]).predictions()["top1"].tolist() == [0, 0]
    with pytest.raises(mlscope.MlscopeError, match="no filter 'tags'"):
        store.find(tags="b")
    with pytest.raises(mlscope.MlscopeError):
        store.get("0123456789")


def test_a_run_outside_of_the_main_thread_is_a_run(home: Path) -> None:
    found: list[mlscope.Evaluation] = []
    thread = threading.Thread(target=lambda: found.append(mlscope.evaluate("null", num_file_parts=2)))
    thread.start()
    thread.join()
    assert found[0].record.status == "complete"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"bach_size": 3}, "bach_size"),
        ({"scenario": "Multi"}, "MultiStream"),
        ({"scenario": "Server", "load": {"min_duration": 3}}, "min_duration"),
        ({"mode": "AccuracyOnly"}, "scenario"),
        ({"load": {"min_duration_s": 3}}, "scenario"),
        ({"repetitions": 2}, "loop"),
        ({"record": False}, "record"),
        ({"model": "Digits_CNM"}, "Digits_CNN"),
        ({"trace_level": "ALL"}, "MODEL_TRACE"),
    ],
)
def test_wrong_arguments_are_errors_of_mlscope(home: Path, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(mlscope.MlscopeError) as caught:
        mlscope.evaluate(**arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert running.folders(home) == []


def test_an_evaluation_that_fails_raises_and_keeps_its_record(home: Path) -> None:
    with pytest.raises(mlscope.MlscopeError, match="exit code 3") as caught:
        mlscope.evaluate(worker_prefix="sh -c 'exit 3'")
    assert caught.value.exit_code == 8
    (failed,) = mlscope.open_store().find(status="failed")
    assert failed.record.failure is not None
    assert failed.record.failure.exit_code == 8
    assert str(failed.record.failure.message) == str(caught.value)
