"""Two real int8 networks on 500 real photographs: the counts that everybody gets who prepares pictures this way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlscope
from tests.e2e import running

V2 = ("MobileNet_v2_1.0_224_quant", "mobilenet_v2_1.0_224_quant.tflite")
V1 = ("MobileNet_v1_0.25_128_quant", "mobilenet_v1_0.25_128_quant.tflite")
SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")


def request(shared_dir: Path, model: tuple[str, str], **more: Any) -> dict[str, Any]:
    """Arguments of ``mlscope.evaluate``."""
    return {
        "model": model[0],
        "weights": shared_dir / "models" / model[1],
        "dataset": "imagenet",
        "dataset_path": shared_dir / "imagenet500",
        **more,
    }


def flags(shared_dir: Path, model: tuple[str, str]) -> list[str | Path]:
    """The same on the command line."""
    return [
        *("--model-name", model[0], "--weights", shared_dir / "models" / model[1]),
        *("--dataset-name", "imagenet", "--dataset-path", shared_dir / "imagenet500"),
    ]


@pytest.fixture(scope="module")
def v2(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> mlscope.Evaluation:
    """``predict dataset`` of the large one, on the command line."""
    home = tmp_path_factory.mktemp("v2")
    result = running.run(home, "predict", "dataset", *flags(shared_dir, V2))
    assert result.code == 0, result
    evaluation = running.only(home)
    accuracy = evaluation.record.accuracy
    assert accuracy is not None
    assert f"good={accuracy.top1_good}, total=500\n" in result.out
    return evaluation


@pytest.fixture(scope="module")
def v1(shared_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> mlscope.Evaluation:
    """``predict dataset`` of the small one, through the Python API."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLSCOPE_HOME", str(tmp_path_factory.mktemp("v1")))
        return mlscope.evaluate(**request(shared_dir, V1))


def good(evaluation: mlscope.Evaluation) -> int:
    """Right answers, of all 500 pictures."""
    accuracy = evaluation.record.accuracy
    assert accuracy is not None
    assert (accuracy.evaluated, accuracy.failed) == (500, 0)
    return accuracy.top1_good


def test_the_large_one_gets_448_of_500_right(v2: mlscope.Evaluation) -> None:
    assert abs(good(v2) - 448) <= 1


def test_the_small_one_gets_229_of_500_right(v1: mlscope.Evaluation) -> None:
    assert abs(good(v1) - 229) <= 1


def test_grey_photographs_are_converted_and_the_record_says_so(v2: mlscope.Evaluation) -> None:
    assert any("9 grey" in warning for warning in v2.record.warnings)


def test_batch_sizes_workers_and_threads_change_no_answer_of_the_large_one(
    shared_dir: Path, home: Path, v2: mlscope.Evaluation
) -> None:
    other = mlscope.evaluate(**request(shared_dir, V2, batch_size=8, workers=2, threads=1))
    assert good(other) == good(v2)
    np.testing.assert_array_equal(other.predictions()["top1"], v2.predictions()["top1"])


@pytest.mark.parametrize("layout", [{"batch_size": 50, "threads": 1}, {"batch_size": 7, "loader_processes": 2}])
def test_batch_sizes_and_threads_change_no_answer_of_the_small_one(
    shared_dir: Path, home: Path, v1: mlscope.Evaluation, layout: dict[str, Any]
) -> None:
    other = mlscope.evaluate(**request(shared_dir, V1, **layout))
    assert good(other) == good(v1)
    np.testing.assert_array_equal(other.predictions()["top1"], v1.predictions()["top1"])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_accuracy_mode_of_the_small_one_agrees_with_predict_in_every_answer(
    shared_dir: Path, home: Path, v1: mlscope.Evaluation, scenario: str
) -> None:
    other = mlscope.evaluate(**request(shared_dir, V1, scenario=scenario, mode="AccuracyOnly", batch_size=2))
    assert other.record.accuracy == v1.record.accuracy
    assert not [warning for warning in other.record.warnings if "accuracy log" in warning]
    np.testing.assert_array_equal(other.predictions()["top1"], v1.predictions()["top1"])


def test_accuracy_mode_of_the_large_one_agrees_with_predict_in_every_answer(
    shared_dir: Path, home: Path, v2: mlscope.Evaluation
) -> None:
    other = mlscope.evaluate(**request(shared_dir, V2, scenario="Offline", mode="AccuracyOnly"))
    assert other.record.accuracy == v2.record.accuracy
    np.testing.assert_array_equal(other.predictions()["top1"], v2.predictions()["top1"])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_performance_mode_runs_the_large_one(shared_dir: Path, home: Path, scenario: str) -> None:
    load: dict[str, Any] = {"min_duration_s": 0.5, "dataset_size": 20}
    if scenario in ("MultiStream", "Server"):
        load["count_override"] = 10
    if scenario == "Offline":
        load["target_qps"] = 60
    other = mlscope.evaluate(**request(shared_dir, V2, scenario=scenario, load=load))
    assert other.record.loadgen is not None
    assert other.record.loadgen.validity in ("VALID", "INVALID")
    assert other.record.latency[0].mean_ns > 1e6
    assert other.record.accuracy is None
