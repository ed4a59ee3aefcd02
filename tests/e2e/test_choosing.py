"""What is chosen where a user leaves it open: the data set that suits the model; options of one framework alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.e2e import running

SOME = ("predict", "dataset", "--num-file-parts", "3")


@pytest.mark.parametrize("model", ["Digits_CNN", "null"])
def test_a_model_of_ten_classes_gets_the_digits(inside: Cli, home: Path, model: str) -> None:
    assert inside(*SOME, "--model-name", model).code == 0
    assert running.only(home).record.dataset_name == "digits"


def test_a_data_set_that_suits_nobody_is_not_guessed(inside: Cli, home: Path, tmp_path: Path) -> None:
    def seven(data: dict[str, Any]) -> None:
        data["outputs"][0]["classes"] = 7
        del data["reference_accuracy"]

    result = inside(*SOME, "--model-name", running.manifest(tmp_path / "model", change=seven))
    line = running.one_line(result, 5)
    assert line.startswith("no built-in data set has the 7 classes of Digits_CNN; name one: --dataset-name")


def test_options_in_brackets_are_for_one_framework(inside: Cli, home: Path) -> None:
    framework = "onnxruntime[graph_optimization_level=basic,mem_pattern=false]"
    result = inside(*SOME, "--framework", framework, "--stack", "host", "--option", "allow_spinning=false")
    assert result.code == 0, result
    record = running.only(home).record
    assert record.framework_name == "onnxruntime"
    assert record.effective["graph_optimization_level"] == "basic"
    again = inside("rerun", record.id)
    assert again.code == 0, again
    assert "The predictions are identical, byte by byte." in again.out


@pytest.mark.parametrize("framework", ["onnxruntime[", "onnxruntime[fast]", "onnxruntime[=1]"])
def test_brackets_without_an_option_are_told(inside: Cli, home: Path, framework: str) -> None:
    line = running.one_line(inside(*SOME, "--framework", framework), 2)
    assert line == f"'{framework}' is no framework with options; write it like openvino[precision=auto]"


def test_two_evaluations_are_told_on_how_much_they_agree(inside: Cli, home: Path) -> None:
    two = ("--framework", "onnxruntime", "--framework", "onnxruntime[mem_pattern=false]", "--stack", "host")
    result = inside(*SOME, *two)
    assert "Both have the same best class for 3 of 3 samples." in result.out, result
    plain = inside(*SOME, *two, "--format", "json").json()
    assert plain["agreement"] == {"samples": 3, "same_in_all": 3, "same_as_first": [3, 3], "differing": []}
