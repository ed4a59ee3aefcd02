"""The embedded default: what is committed, and that the script makes it again."""

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
import sklearn.datasets

from mlscope.manifests import load_dataset, load_model

CHECKOUT = Path(__file__).resolve().parents[2]
BUILTIN = CHECKOUT / "src/mlscope/manifests/builtin"
MODEL = BUILTIN / "models/digits_cnn.onnx"
SCRIPT = CHECKOUT / "scripts/make_digits.py"


@pytest.fixture(scope="module")
def listed() -> list[tuple[str, int]]:
    lines = (BUILTIN / "datasets/digits/val_map.txt").read_text().splitlines()
    return [(name, int(label)) for name, label in map(str.split, lines)]


@pytest.fixture(scope="module")
def pictures(listed: list[tuple[str, int]]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    folder = BUILTIN / "datasets/digits"
    read = [cv2.imread(str(folder / name), cv2.IMREAD_UNCHANGED) for name, _ in listed]
    return np.stack([np.asarray(picture, dtype=np.uint8) for picture in read])


@pytest.fixture(scope="module")
def session() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])


def to_tensor(pictures: np.ndarray[Any, np.dtype[np.uint8]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return pictures[:, None].astype(np.float32) / np.float32(255)


def run_script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)


def test_data_set_has_500_grey_pictures_and_lists_every_one(
    listed: list[tuple[str, int]], pictures: np.ndarray[Any, np.dtype[np.uint8]]
) -> None:
    assert pictures.shape == (500, 8, 8)
    assert {name for name, _ in listed} == {path.name for path in (BUILTIN / "datasets/digits").glob("*.png")}
    assert len(dict(listed)) == 500


def test_classes_are_balanced_as_in_the_whole_set(listed: list[tuple[str, int]]) -> None:
    whole = Counter(sklearn.datasets.load_digits().target.tolist())
    held_out = Counter(label for _, label in listed)
    for label, count in whole.items():
        assert held_out[label] == pytest.approx(count * 500 / 1797, abs=1)


def test_pictures_are_the_real_digits_with_their_labels(
    listed: list[tuple[str, int]], pictures: np.ndarray[Any, np.dtype[np.uint8]]
) -> None:
    digits = sklearn.datasets.load_digits()
    originals = {
        (image.astype(np.uint8).tobytes(), int(label))
        for image, label in zip(digits.images, digits.target, strict=True)
    }
    levels = np.rint(pictures / (255 / 16)).astype(np.uint8)
    for picture, (_, label) in zip(levels, listed, strict=True):
        assert (picture.tobytes(), label) in originals


def test_model_is_small_and_takes_any_batch(session: Any) -> None:
    assert MODEL.stat().st_size < 300_000
    (image,), (logits,) = session.get_inputs(), session.get_outputs()
    assert (image.name, image.type, image.shape) == ("image", "tensor(float)", ["N", 1, 8, 8])
    assert (logits.name, logits.shape) == ("logits", ["N", 10])


def test_model_reaches_the_accuracy_that_is_recorded(
    session: Any, listed: list[tuple[str, int]], pictures: np.ndarray[Any, np.dtype[np.uint8]]
) -> None:
    (logits,) = session.run(None, {"image": to_tensor(pictures)})
    order = np.argsort(-logits, axis=1)
    labels = np.array([label for _, label in listed])
    top1 = float((order[:, 0] == labels).mean())
    top5 = float((order[:, :5] == labels[:, None]).any(axis=1).mean())
    recorded = json.loads((BUILTIN / "models/digits_cnn.json").read_text())["accuracy"]
    assert top1 == pytest.approx(recorded["held_out_top1"], abs=0.002)  # one picture: frameworks round differently
    assert top5 == pytest.approx(recorded["held_out_top5"], abs=0.002)
    assert top1 > 0.97


def test_answers_do_not_depend_on_the_batch_size(session: Any, pictures: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    tensor = to_tensor(pictures[:50])
    (together,) = session.run(None, {"image": tensor})
    alone = np.concatenate([session.run(None, {"image": tensor[i : i + 1]})[0] for i in range(50)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4)


def test_manifest_and_provenance_name_the_committed_bytes() -> None:
    digest = hashlib.sha256(MODEL.read_bytes()).hexdigest()
    labels = hashlib.sha256((BUILTIN / "models/digits_labels.txt").read_bytes()).hexdigest()
    manifest = (BUILTIN / "models/Digits_CNN.yml").read_text()
    assert set(re.findall(r"sha256: (\w+)", manifest)) == {digest, labels}
    provenance = json.loads((BUILTIN / "models/digits_cnn.json").read_text())
    assert provenance["onnx_sha256"] == digest
    assert provenance["split"] == {"train": 1297, "held_out": 500, "stratified": True}
    assert f"top1: {provenance['accuracy']['held_out_top1']}" in manifest


def test_manifests_are_found_by_name_and_agree_with_each_other() -> None:
    model, dataset = load_model("Digits_CNN"), load_dataset("digits")
    assert model.warnings == dataset.warnings == ()
    assert model.manifest.reference_accuracy is not None
    assert model.manifest.reference_accuracy.dataset == dataset.manifest.name
    assert model.manifest.outputs[0].classes == dataset.manifest.classes == 10
    assert dataset.manifest.license == "CC-BY-4.0"


def test_script_makes_the_same_bytes_twice_and_the_committed_pictures(tmp_path: Path) -> None:
    made = []
    for name in ("first", "second"):
        done = run_script("--epochs", "1", "--out", tmp_path / name)
        assert done.returncode == 0, done.stderr
        made.append(
            {
                path.relative_to(tmp_path / name): path.read_bytes()
                for path in sorted((tmp_path / name).rglob("*"))
                if path.is_file()
            }
        )
    assert made[0] == made[1]
    data = {path: content for path, content in made[0].items() if path.parts[0] == "datasets"}
    assert len(data) == 504
    assert all((BUILTIN / path).read_bytes() == content for path, content in data.items())


def test_check_fails_when_the_accuracy_is_another() -> None:
    done = run_script("--check", "--epochs", "1")
    assert done.returncode == 1
    assert "held_out_top1 differs" in done.stderr
    assert "datasets" not in done.stderr


@pytest.mark.slow
def test_check_passes_for_what_is_committed() -> None:
    done = run_script("--check")
    assert done.returncode == 0, done.stderr
    assert "weights: " in done.stdout
