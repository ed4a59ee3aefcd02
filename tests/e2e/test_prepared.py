"""Pictures that are kept prepared, and choosing by tags, as a user meets them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mlscope
from mlscope.errors import ResourceError, UsageError
from mlscope.results import Evaluation
from tests.conftest import Cli
from tests.e2e import running

HOOK = "def after_preprocess(ctx, array):\n    return array\n"


def outputs(evaluation: Evaluation) -> list[str]:
    """Digests of the model's outputs."""
    return [entry.sha256 for entry in evaluation.record.files if entry.path.startswith("outputs-")]


def use(evaluation: Evaluation) -> Any:
    assert evaluation.record.data is not None
    return evaluation.record.data


def test_prepared_pictures_give_the_same_outputs_to_the_byte(home: Path) -> None:
    inline = mlscope.evaluate(num_file_parts=60)
    cached = mlscope.evaluate(num_file_parts=60, preprocess="cached", batch_size=7, partition_list_size=1)
    assert outputs(inline) == outputs(cached)
    assert (use(inline).preprocess, use(inline).prepared) == ("inline", None)
    assert use(cached).preprocess == "cached"
    assert use(cached).prepared in {path.name for path in (home / "cache" / "preprocessed").iterdir()}
    assert set(use(inline).libraries) == {"opencv-python-headless"}
    assert cached.record.plan_id != inline.record.plan_id


def test_a_broken_picture_fails_alone_prepared_or_not(home: Path, tmp_path: Path) -> None:
    folder = running.some_digits(tmp_path / "data", 20)
    broken = sorted(folder.glob("*.png"))[3]
    broken.write_bytes(broken.read_bytes()[:40])
    found = [
        mlscope.evaluate(dataset_path=folder, preprocess=form, batch_size=4) for form in ("inline", "cached", "cached")
    ]
    accuracies = [each.record.accuracy for each in found]
    assert accuracies[0] is not None
    assert (accuracies[0].evaluated, accuracies[0].failed) == (20, 1)
    assert accuracies[1:] == accuracies[:1] * 2
    assert running.told(found[1].record.warnings) == running.told(found[0].record.warnings)


def test_a_load_test_prepares_and_a_second_one_does_not(cli: Cli, home: Path) -> None:
    command = ("benchmark", "--mode", "AccuracyOnly", "--dataset-size", "50", "-v")
    first = cli(*command)
    assert first.code == 0, first
    assert "prepare the pictures" in first.err
    second = cli(*command)
    assert "prepare the pictures" not in second.err
    one, two = running.evaluations(home)
    assert use(one) == use(two)
    assert use(one).preprocess == "cached"
    assert outputs(one) == outputs(two)
    inline = cli(*command, "--preprocess", "inline")
    assert inline.code == 0, inline
    assert outputs(running.evaluations(home)[2]) == outputs(one)
    listed = cli("data", "list", "--format", "json").json()
    assert [(each["dataset"], each["samples"]) for each in listed] == [("digits 1.0", 50)]
    assert "removed" in cli("data", "prune", "--days", "0").out


def test_hooks_make_tensors_that_cannot_be_kept(home: Path, tmp_path: Path) -> None:
    manifest = running.manifest(tmp_path, change=lambda data: data.update(hooks={"after_preprocess": HOOK}))
    with pytest.raises(UsageError, match="cannot be kept prepared: the hook after_preprocess makes the tensors"):
        mlscope.evaluate(manifest, allow_hooks=True, preprocess="cached")
    load = {"min_duration_s": 0.1, "count_override": 10, "dataset_size": 10}
    automatic = mlscope.evaluate(manifest, allow_hooks=True, scenario="SingleStream", load=load)
    assert use(automatic).preprocess == "inline"


def test_tags_choose_model_and_data(cli: Cli, home: Path) -> None:
    tags = ("--weights-tags", "model,onnx,digits_cnn,fp32,-int8", "--images-tags", "dataset,digits,preprocessed,gray8")
    done = cli("predict", "dataset", *tags, "--num-file-parts", "30", "--format", "json")
    assert done.code == 0, done
    (evaluation,) = running.evaluations(home)
    record = evaluation.record
    assert (record.model_name, record.framework_name, record.dataset_name) == ("Digits_CNN", "onnxruntime", "digits")
    assert use(evaluation).preprocess == "cached"
    again = cli("rerun", record.id)
    assert again.code == 0, again
    assert outputs(running.evaluations(home)[1]) == outputs(evaluation)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--weights-tags onnx,efficientnet", "3 weights have these tags: EfficientNet_Lite0 for onnxruntime"),
        ("--weights-tags onnx,efficientnet,lite9", "no weights have the tag 'lite9'; did you mean 'lite"),
        ("--model-name Digits_CNN --weights-tags lite0", "no weights have the tag 'lite0'"),
        ("--framework mxnet --weights-tags lite0", "no weights have all of the tags lite0, mxnet"),
        ("--weights-tags ,", "--weights-tags: no tags are given"),
        ("--images-tags dataset,preprocessed", "data sets have these tags: digits"),
        ("--dataset-name digits --images-tags imagenet", "no data sets have the tag 'imagenet'"),
        ("--images-tags digits,original --preprocess cached", "--preprocess cached contradicts the tag 'original'"),
        ("--images-tags digits,preprocessed --preprocess inline", "inline contradicts the tag 'preprocessed'"),
    ],
)
def test_tags_that_do_not_decide_are_one_line(inside: Cli, home: Path, flags: str, message: str) -> None:
    assert message in running.one_line(inside("predict", "dataset", *flags.split()), 2)
    assert running.folders(home) == []


def test_photographs_that_are_kept_prepared(shared_dir: Path, home: Path) -> None:
    found = mlscope.evaluate(
        "MobileNet_v1_0.25_128_quant",
        "imagenet",
        weights=shared_dir / "models" / "mobilenet_v1_0.25_128_quant.tflite",
        dataset_path=shared_dir / "imagenet500",
        preprocess="cached",
        batch_size=50,
    )
    assert found.record.accuracy is not None
    assert abs(found.record.accuracy.top1_good - 229) <= 1
    assert any("9 grey" in warning for warning in found.record.warnings)


def test_without_room_for_them_only_who_asked_for_prepared_pictures_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    load = {"min_duration_s": 0.1, "count_override": 10, "dataset_size": 10}
    automatic = mlscope.evaluate(scenario="SingleStream", load=load)
    assert use(automatic).preprocess == "inline"
    with pytest.raises(ResourceError, match="no space left"):
        mlscope.evaluate(preprocess="cached", num_file_parts=10)
