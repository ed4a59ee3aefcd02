"""Prepared sets: the same tensors as from the files, made once, and anew when anything that decides has changed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlscope.errors import DataError, ResourceError
from mlscope.loader import Dataset, PreparedSet, UnreadableError, compile_steps, open_dataset, own_decoder
from mlscope.manifests import DatasetManifest, Hooks, InputSpec
from mlscope.recipes import PreparedPictures, cannot_prepare, list_prepared, prepare_pictures, prune_prepared
from tests.loader.pictures import Array, jpeg, png, scene

STEPS: list[dict[str, Any]] = [
    {"op": "decode", "library": "pillow"},
    {"op": "resize", "library": "opencv", "rule": "short_side", "size": 12},
    {"op": "crop", "size": 10},
]
NORMALIZE = {"op": "normalize", "mean": [1.0, 2.0, 3.0], "scale": 7.5}


@dataclasses.dataclass
class Listener:
    """Hears how making a set goes."""

    stages: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)

    def stage(self, name: str, total: int | None = None) -> None:
        self.stages.append(name)

    def advance(self, done: int) -> None:
        assert done > 0

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    @property
    def made(self) -> bool:
        """Whether anything was decoded."""
        return "prepare the pictures" in self.stages


def spec(**changes: Any) -> InputSpec:
    fields: dict[str, Any] = {
        "type": "image",
        "element_type": "float32",
        "layout": "CHW",
        "shape": [3, 10, 10],
        "color_mode": "BGR",
        "steps": [*STEPS, NORMALIZE],
    }
    return InputSpec.model_validate(fields | changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six pictures; the third is broken, the fifth grey."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for row in range(6):
        (folder / f"{row}.jpg").write_bytes(jpeg(scene(20, 30, seed=row), "L" if row == 4 else "RGB"))
    (folder / "2.jpg").write_bytes(b"no picture")
    (folder / "val_map.txt").write_text("".join(f"{row}.jpg {row}\n" for row in range(6)))
    return folder


def dataset(folder: Path) -> Dataset:
    manifest = DatasetManifest.model_validate({"name": "mine", "version": "1", "classes": 10})
    return open_dataset(manifest, folder, folder)


def prepare(folder: Path, inputs: InputSpec | None = None, count: int = 6) -> tuple[PreparedPictures, Listener]:
    hears, wanted = Listener(), inputs or spec()
    found = prepare_pictures(dataset(folder), count, wanted, own_decoder(wanted), processes=2, watcher=hears)
    return found, hears


def tensors(pictures: PreparedPictures, inputs: InputSpec) -> Callable[[int], Array]:
    there = PreparedSet(pictures.folder, inputs.model_dump(mode="json"))
    return lambda row: there.open(row, "")[1]()


def test_the_tensors_are_those_of_the_files(home: Path, folder: Path) -> None:
    pictures, hears = prepare(folder)
    assert hears.made
    assert pictures.direct is None
    kept = tensors(pictures, spec())
    whole = compile_steps(spec().model_dump(mode="json"))
    for row in (0, 1, 3, 4, 5):
        assert kept(row).tobytes() == whole((folder / f"{row}.jpg").read_bytes()).tobytes()
    pixels = np.load(pictures.pixels)
    assert (pixels.dtype, pixels.shape) == (np.uint8, (6, 3, 10, 10))
    assert list(pictures.failed()) == [2]
    assert pictures.failed()[2].startswith("Pillow cannot decode it")
    with pytest.raises(UnreadableError, match="Pillow cannot decode it"):
        kept(2)
    assert pictures.oddities() == ["grey"]
    assert not pixels[2].any()


def test_it_is_made_once(home: Path, folder: Path) -> None:
    first, _ = prepare(folder)
    second, hears = prepare(folder)
    assert first.key == second.key
    assert not hears.made
    other_mean = spec(steps=[*STEPS, {**NORMALIZE, "mean": 9.0}], element_type="float16")
    same, hears = prepare(folder, other_mean)
    assert same.key == first.key, "mean, scale and cast are no part of it"
    assert not hears.made


@pytest.mark.parametrize(
    "changes",
    [
        {"layout": "HWC", "shape": [10, 10, 3]},
        {"color_mode": "RGB"},
        {"steps": [{**STEPS[0], "library": "opencv"}, *STEPS[1:]]},
        {"steps": [STEPS[0], {**STEPS[1], "interpolation": "bicubic"}, STEPS[2]]},
        {"steps": [*STEPS[:2], {**STEPS[2], "method": "top_left"}]},
    ],
)
def test_other_steps_are_another_set(home: Path, folder: Path, changes: dict[str, Any]) -> None:
    first, _ = prepare(folder)
    other, hears = prepare(folder, spec(**changes))
    assert other.key != first.key
    assert hears.made


def test_a_picture_that_is_replaced_is_noticed_though_size_and_time_are_the_same(home: Path, folder: Path) -> None:
    path = folder / "1.png"
    path.write_bytes(png(np.zeros((16, 16, 3), np.uint8)))
    (folder / "val_map.txt").write_text("1.png 1\n")
    long_ago = (1_000_000_000, 1_000_000_000)
    os.utime(path, long_ago)
    black, _ = prepare(folder, count=1)
    data = bytearray(path.read_bytes())
    other = png(np.full((16, 16, 3), 7, np.uint8))
    data[: len(other)] = other
    path.write_bytes(bytes(data[: path.stat().st_size]) if len(other) <= len(data) else other)
    os.utime(path, long_ago)
    changed, hears = prepare(folder, count=1)
    assert changed.key != black.key
    assert hears.made


def test_the_same_pictures_elsewhere_are_the_same_set(home: Path, folder: Path, tmp_path: Path) -> None:
    first, _ = prepare(folder)
    again, hears = prepare(shutil.copytree(folder, tmp_path / "copy"))
    assert again.key == first.key
    assert not hears.made


def test_other_versions_of_the_libraries_are_another_set(home: Path, folder: Path) -> None:
    first, _ = prepare(folder)
    decoder = dataclasses.replace(own_decoder(spec()), libraries={"pillow": "1.0"})
    other = prepare_pictures(dataset(folder), 6, spec(), decoder, processes=1, watcher=Listener())
    assert other.key != first.key


def test_bytes_that_are_the_tensors_can_be_mapped_as_they_are(home: Path, folder: Path) -> None:
    ready = spec(element_type="uint8", steps=STEPS)
    pictures, _ = prepare(folder, ready)
    assert pictures.direct is not None
    mapped = np.memmap(pictures.pixels, np.uint8, "r", pictures.direct, (6, 3, 10, 10))
    whole = compile_steps(ready.model_dump(mode="json"))
    np.testing.assert_array_equal(mapped[5], whole((folder / "5.jpg").read_bytes()))


@pytest.mark.parametrize("damage", ["short", "other", "about", "gone"])
def test_a_damaged_set_is_made_again(home: Path, folder: Path, damage: str) -> None:
    pictures, _ = prepare(folder)
    good = pictures.pixels.read_bytes()
    pictures.pixels.chmod(0o644)
    if damage == "short":
        pictures.pixels.write_bytes(good[:-1])
    elif damage == "other":
        pictures.pixels.write_bytes(good[:-1] + b"\xff")
    elif damage == "about":
        (pictures.folder / "prepared.json").write_text("{")
    else:
        pictures.pixels.unlink()
    again, hears = prepare(folder)
    assert hears.made
    assert any("damaged" in text for text in hears.warnings)
    assert again.pixels.read_bytes() == good


def test_a_copy_with_other_times_is_taken_as_it_is(home: Path, folder: Path) -> None:
    pictures, _ = prepare(folder)
    os.utime(pictures.pixels, (1, 1))
    _, hears = prepare(folder)
    assert not hears.made


def test_a_set_in_use_stays_and_another_goes(home: Path, folder: Path) -> None:
    pictures, _ = prepare(folder)
    (entry,) = list_prepared()
    assert (entry.dataset, entry.samples, entry.shape, entry.failed) == ("mine 1", 6, (3, 10, 10), 1)
    assert prune_prepared(0) == []
    del pictures
    assert prune_prepared(1) == []
    assert [each.key for each in prune_prepared(0)] == [entry.key]
    assert list_prepared() == []
    assert not entry.path.exists()


def test_a_build_that_is_killed_leaves_nothing_that_is_used(home: Path, folder: Path) -> None:
    for row in range(6, 400):
        (folder / f"{row}.jpg").write_bytes((folder / "0.jpg").read_bytes())
    (folder / "val_map.txt").write_text("".join(f"{row}.jpg 1\n" for row in range(400)))
    program = f"""
        import os, signal
        from pathlib import Path
        from tests.recipes.test_prepared import Listener, dataset, own_decoder, prepare_pictures, spec
        class Killer(Listener):
            def advance(self, done):
                if self.made and done > 30:
                    os.kill(os.getpid(), signal.SIGKILL)
        data, decoder = dataset(Path({str(folder)!r})), own_decoder(spec())
        prepare_pictures(data, 400, spec(), decoder, processes=1, watcher=Killer())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list_prepared() == []
    pictures, hears = prepare(folder, count=400)
    assert hears.made
    assert json.loads((pictures.folder / "prepared.json").read_text())["shape"] == [400, 3, 10, 10]
    assert not list((home / "cache" / "preprocessed").glob(".partial-*"))


def test_a_picture_that_changes_meanwhile_is_told(home: Path, folder: Path) -> None:
    class Changer(Listener):
        def stage(self, name: str, total: int | None = None) -> None:
            super().stage(name, total)
            if self.made:
                (folder / "0.jpg").write_bytes((folder / "1.jpg").read_bytes())

    with pytest.raises(DataError, match=r"0\.jpg: the picture changed while it was prepared"):
        prepare_pictures(dataset(folder), 6, spec(), own_decoder(spec()), processes=1, watcher=Changer())
    assert list_prepared() == []


def test_a_full_disk_is_told_and_nothing_stays(home: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ResourceError, match="no space left on the disk"):
        prepare(folder)
    assert list_prepared() == []


def test_what_cannot_be_prepared_says_why() -> None:
    assert cannot_prepare(spec(), Hooks()) is None
    hook = Hooks(after_preprocess="def after_preprocess(ctx, array):\n    return array\n")
    assert "the hook after_preprocess makes the tensors" in str(cannot_prepare(spec(), hook))
    later = Hooks(postprocess="def postprocess(ctx, outputs):\n    return outputs[0]\n")
    assert cannot_prepare(spec(), later) is None
    tensor = InputSpec.model_validate({"type": "tensor", "shape": [3]})
    assert "no picture" in str(cannot_prepare(tensor, Hooks()))
