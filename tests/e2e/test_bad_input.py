"""Input that is wrong: one clear line, a documented exit code, and nothing recorded that was not measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mlscope
from tests.conftest import Cli
from tests.e2e import running

Change = Callable[[dict[str, Any]], None]


def graph(data: dict[str, Any]) -> dict[str, Any]:
    """The asset of the model's file."""
    found: dict[str, Any] = data["weights"][0]["graph"]
    return found


MANIFESTS: dict[str, tuple[Change, int, str]] = {
    "a typo in a key": (lambda data: data.update(licence=data.pop("license")), 3, "did you mean 'license'?"),
    "a typo deep down": (
        lambda data: data["inputs"][0].update(colour_mode=data["inputs"][0].pop("color_mode")),
        3,
        "did you mean 'color_mode'?",
    ),
    "a wrong type": (lambda data: data["outputs"][0].update(classes="ten"), 3, "must be a whole number, not 'ten'"),
    "a step that does not exist": (lambda data: data["inputs"][0]["steps"][0].update(op="decoed"), 3, "decode"),
    "a missing file": (lambda data: graph(data).update(source="file:digits_cnm.onnx"), 4, "digits_cnm.onnx"),
    "a wrong digest": (lambda data: graph(data).update(sha256="0" * 64), 4, "sha256"),
    "an unknown framework": (lambda data: data["framework"].update(name="onnxrutime"), 3, "did you mean"),
    "a framework without predictor": (
        lambda data: (data["framework"].update(name="caffe2"), data["weights"][0].update(framework="caffe2"))[0],
        6,
        "no predictor",
    ),
    "a version that nothing meets": (lambda data: data["framework"].update(version=">=99"), 6, ""),
    "versions that exclude each other": (lambda data: data["framework"].update(version=">=2,<1"), 3, ">=2,<1"),
    "a wrong number of classes": (lambda data: data["outputs"][0].update(classes=12), 5, "10"),
    "a shape that the model refuses": (lambda data: data["inputs"][0].update(shape=[1, 9, 9]), 7, "image"),
    "an element type that the model refuses": (lambda data: data["inputs"][0].update(element_type="int64"), 7, ""),
    "an input that the model has not": (lambda data: data["inputs"][0].update(name="picture"), 7, "picture"),
    "hooks that were not allowed": (
        lambda data: data.update(hooks={"preprocess": "def preprocess(ctx, data): return data"}),
        2,
        "--allow-hooks",
    ),
    "a smaller limit than the batch": (lambda data: data.update(limits={"max_batch_size": 4}), 7, "limit"),
}


@pytest.mark.parametrize("fault", MANIFESTS)
def test_a_manifest_with_a_fault_is_one_clear_line(inside: Cli, home: Path, tmp_path: Path, fault: str) -> None:
    change, code, words = MANIFESTS[fault]
    path = running.manifest(tmp_path / "model", change=change)
    line = running.one_line(
        inside("predict", "dataset", "--model-name", path, "-b", "8", "--num-file-parts", "1"), code
    )
    assert words in line
    if code == 3:
        file, row, column, _ = line.split(":", 3)
        assert (file, row.isdigit(), column.isdigit()) == (str(path), True, True)


def test_the_manifest_that_the_faults_were_planted_in_is_good(cli: Cli, home: Path, tmp_path: Path) -> None:
    path = running.manifest(tmp_path / "model")
    assert running.DIGITS_LINE in cli("predict", "dataset", "--model-name", path, "-b", "50").out


def test_an_unknown_model_is_answered_with_the_nearest(inside: Cli) -> None:
    assert "Digits_CNN" in running.one_line(inside("predict", "dataset", "--model-name", "Digits_CNM"), 3)
    assert "there is no" in running.one_line(inside("predict", "dataset", "--model-name", "none.yml"), 3).lower()


def broken_onnx(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def with_digest(folder: Path) -> Change:
    """The manifest promises exactly the bytes that are there."""

    def change(data: dict[str, Any]) -> None:
        path = folder / "digits_cnn.onnx"
        broken_onnx(path)
        graph(data)["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()

    return change


def test_a_truncated_onnx_file_is_one_line_and_a_failed_record(cli: Cli, home: Path, tmp_path: Path) -> None:
    path = running.manifest(tmp_path / "model", change=with_digest(tmp_path / "model"))
    line = running.one_line(cli("predict", "dataset", "--model-name", path), 7)
    assert "onnxruntime cannot load the model" in line
    record = running.only(home).record
    assert record.status == "failed"
    assert record.failure is not None
    assert (record.failure.kind, record.failure.exit_code) == ("ModelError", 7)
    assert record.accuracy is None


def test_a_truncated_tflite_file_is_one_line(inside: Cli, home: Path, shared_dir: Path, tmp_path: Path) -> None:
    whole = (shared_dir / "models" / "mobilenet_v1_0.25_128_quant.tflite").read_bytes()
    part = tmp_path / "part.tflite"
    part.write_bytes(whole[: len(whole) // 3])
    line = running.one_line(inside("benchmark", part, "--random-inputs"), 7)
    assert "litert" in line
    empty = tmp_path / "empty.tflite"
    empty.write_bytes(b"")
    running.one_line(inside("benchmark", empty, "--random-inputs"), 7)


def odd_pictures(folder: Path) -> Path:
    """Digits of which the first eight are of every odd kind; as 8-bit grey all would be the same picture's values."""
    running.some_digits(folder, 30)
    names = [f"digit_{number:03d}.png" for number in range(8)]
    grey = Image.open(folder / names[0]).convert("L")
    grey.convert("RGB").save(folder / names[1])
    grey.convert("CMYK").save((folder / names[2]).with_suffix(".jpg"), quality=100)
    Image.fromarray(np.asarray(grey).astype(np.uint16) * 257).save(folder / names[3])
    grey.convert("RGBA").save(folder / names[4])
    (folder / names[5]).write_bytes(b"")
    whole = (folder / names[6]).read_bytes()
    (folder / names[6]).write_bytes(whole[: len(whole) // 2])
    (folder / names[7]).write_bytes(b"no picture at all")
    listing = folder / "val_map.txt"
    listing.write_text(listing.read_text().replace(names[2], names[2].replace(".png", ".jpg")))
    return folder


def test_odd_pictures_are_converted_and_broken_ones_count_as_wrong(cli: Cli, home: Path, tmp_path: Path) -> None:
    folder = odd_pictures(tmp_path / "data")
    result = cli("predict", "dataset", "--dataset-path", folder, "-b", "4")
    assert result.code == 0, result
    assert all(line.startswith("mlscope: warning: ") for line in result.err.splitlines())
    found = running.only(home)
    predictions = found.predictions()
    errors = dict(zip(predictions["file"], predictions["error"], strict=True))
    failed = [name for name, error in errors.items() if error]
    assert failed == ["digit_005.png", "digit_006.png", "digit_007.png"]
    assert errors["digit_005.png"] == "the file is empty"
    assert list(predictions["failed"]) == [bool(error) for error in errors.values()]
    top1 = dict(zip(predictions["file"], predictions["top1"].tolist(), strict=True))
    same = {top1[f"digit_00{number}.{'jpg' if number == 2 else 'png'}"] for number in range(5)}
    assert len(same) == 1, "grey, RGB, CMYK, 16-bit and RGBA of one picture are one picture"
    accuracy = found.record.accuracy
    assert accuracy is not None
    assert (accuracy.evaluated, accuracy.failed) == (30, 3)
    assert accuracy.top1_good == int(((predictions["top1"] == predictions["label"]) & ~predictions["failed"]).sum())
    (failures,) = [warning for warning in found.record.warnings if "failed" in warning]
    assert "3 of 30" in failures
    assert "digit_005.png" in failures
    assert any("CMYK" in warning and "16-bit" in warning for warning in found.record.warnings)


@pytest.mark.parametrize("broken", [5, 6, 7], ids=["empty", "truncated", "no picture"])
def test_fail_on_error_ends_at_a_broken_picture_and_keeps_what_was_measured(
    cli: Cli, home: Path, tmp_path: Path, broken: int
) -> None:
    folder = odd_pictures(tmp_path / "data")
    listing = folder / "val_map.txt"
    lines = [line for line in listing.read_text().splitlines() if line.split()[0] not in _others(broken)]
    listing.write_text("\n".join(lines[8:] + lines[:8]))
    result = cli("predict", "dataset", "--dataset-path", folder, "--fail-on-error", "--loader-processes", "1")
    assert f"digit_00{broken}.png" in running.one_line(result, 5)
    found = running.only(home)
    assert found.record.status == "failed"
    assert found.record.failure is not None
    assert found.record.failure.kind == "DataError"
    table = found.to_pandas()
    assert len(table[~table.warmup]) <= 28
    if found.record.accuracy is not None:
        assert found.record.accuracy.evaluated <= 28


def _others(broken: int) -> set[str]:
    return {f"digit_00{number}.png" for number in (5, 6, 7) if number != broken}


def make_data(folder: Path, listing: str | None, **pictures: bytes) -> Path:
    """A data set's folder with these files."""
    folder.mkdir()
    for name, data in pictures.items():
        (folder / f"{name}.png").write_bytes(data)
    if listing is not None:
        (folder / "val_map.txt").write_text(listing)
    return folder


@pytest.mark.parametrize(
    ("listing", "words"),
    [
        ("a.png 0\na.png 10\n", "val_map.txt:2: label 10 is out of range (0 to 9)"),
        ("a.png -1\n", "val_map.txt:1: label -1"),
        ("a.png 0\nb.png 1\n", "'b.png'"),
        ("a.png zero\n", "val_map.txt:1"),
        ("a.png\n", "val_map.txt:1"),
        ("", "no pictures"),
        ("\n\n", "no pictures"),
        (None, "val_map.txt"),
    ],
)
def test_a_data_set_that_cannot_be_used_is_one_line(
    inside: Cli, home: Path, tmp_path: Path, listing: str | None, words: str
) -> None:
    folder = make_data(tmp_path / "data", listing, a=(running.digits_folder() / "digit_000.png").read_bytes())
    assert words in running.one_line(inside("predict", "dataset", "--dataset-path", folder), 5)
    assert running.folders(home) == []


def test_a_data_set_of_another_kind_than_the_model_is_refused(inside: Cli, tmp_path: Path) -> None:
    folder = make_data(tmp_path / "data", "a.png 999\n", a=b"")
    flags = ("--dataset-name", "imagenet", "--dataset-path", folder)
    assert "999" in running.one_line(inside("predict", "dataset", *flags), 5)
    assert "--dataset-path" in running.one_line(inside("predict", "dataset", "--dataset-name", "imagenet"), 5)
    assert "no such folder" in running.one_line(inside("predict", "dataset", "--dataset-path", tmp_path / "none"), 5)


def test_zero_parts_leave_nothing_to_evaluate(inside: Cli) -> None:
    assert "--num-file-parts 0" in running.one_line(inside("predict", "dataset", "--num-file-parts", "0"), 5)


def test_a_batch_over_the_models_limit_is_refused_before_anything_runs(inside: Cli, home: Path, tmp_path: Path) -> None:
    path = running.manifest(tmp_path / "model", change=lambda data: data.update(limits={"max_batch_size": 4}))
    line = running.one_line(inside("predict", "dataset", "--model-name", path, "--batch-size", "5"), 7)
    assert "--batch-size 5" in line
    assert "--batch-size 4" in line
    assert running.folders(home) == []


def fixed_batch(folder: Path) -> Path:
    """The digits' model with its batch fixed at four."""
    import onnx

    path = folder / "digits_cnn.onnx"

    def change(data: dict[str, Any]) -> None:
        model = onnx.load(path)
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 4
        onnx.save(model, path)
        graph(data)["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()

    return running.manifest(folder, change=change)


def test_a_batch_over_the_files_own_is_refused(inside: Cli, tmp_path: Path) -> None:
    path = fixed_batch(tmp_path / "model")
    line = running.one_line(inside("predict", "dataset", "--model-name", path, "--batch-size", "8"), 7)
    assert "fixed at 4" in line


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_a_batch_within_the_files_own_is_filled_up(home: Path, tmp_path: Path, batch: int) -> None:
    run = mlscope.evaluate(fixed_batch(tmp_path / "model"), batch_size=batch)
    assert run.record.accuracy is not None
    assert (run.record.accuracy.top1_good, run.record.accuracy.evaluated) == (493, 500)


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--gpu", "--gpu-device-id", "99"), 6, "GPU"),
        (("--batch-size", "0"), 2, "--batch-size"),
        (("--batch-size", "many"), 2, "--batch-size"),
        (("--bach-size", "4"), 2, "did you mean --batch-size?"),
        (("--option", "graph_optimisation_level=all"), 2, "graph_optimization_level"),
        (("--option", "allow_spinning=perhaps"), 2, "allow_spinning"),
        (("--trace-level", "MODEL_TRAC"), 2, "MODEL_TRACE"),
        (("--publish",), 2, "--database-address"),
        (("--publish", "--database-address", "somewhere"), 2, "sqlite:///"),
        (("--model-version", "7"), 3, "1.0"),
        (("--weights", "none.onnx"), 4, "none.onnx"),
        (("--env", "COLOUR"), 2, "--env"),
    ],
)
def test_flags_that_cannot_be_followed_are_one_line(
    inside: Cli, home: Path, flags: tuple[str, ...], code: int, words: str
) -> None:
    assert words in running.one_line(inside("predict", "dataset", *flags), code)


def test_no_message_is_a_traceback_even_where_something_unforeseen_happens(cli: Cli, home: Path) -> None:
    result = cli("predict", "dataset", "--worker-prefix", "sh -c 'exit 3'")
    assert "exit code 3" in running.one_line(result, 8)
    assert "Traceback" not in result.err + result.out


@pytest.mark.parametrize(("command", "flags"), [("predict", ("dataset",)), ("benchmark", ("--min-duration", "0.1s"))])
def test_a_framework_that_crashes_on_load_is_one_line_and_a_failed_record(
    cli: Cli, home: Path, tmp_path: Path, command: str, flags: tuple[str, ...]
) -> None:
    crashing = tmp_path / "packages" / "onnxruntime"
    crashing.mkdir(parents=True)
    (crashing / "__init__.py").write_text("import ctypes\nctypes.string_at(0)\n")
    result = cli(command, *flags, "--stack", "host", env={"PYTHONPATH": str(crashing.parent)})
    assert result.code == 8
    (line,) = result.err.splitlines()
    assert line.startswith("mlscope: error: the worker was ended by SIGSEGV")
    record = running.only(home).record
    assert record.failure is not None
    assert (record.status, record.failure.exit_code) == ("failed", 8)
