"""Data sets that come as an archive: unpacked once, listed from their names."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlscope.errors import AssetError, DataError
from mlscope.loader import open_dataset
from mlscope.manifests import DatasetManifest, load_dataset
from mlscope.recipes import materialise

PICTURES = {"set/data/a_00_7.png": b"seven", "set/data/b_01_12.png": b"twelve", "set/readme.txt": b"words"}


def manifest(files: str = "set/data/*_{label}.png", source: str = "file:set.zip") -> DatasetManifest:
    values = {"name": "set", "version": "1.0", "classes": 20, "archive": {"source": source, "files": files}}
    return DatasetManifest.model_validate(values)


def zipped(path: Path, files: Mapping[str, bytes] = PICTURES) -> None:
    with zipfile.ZipFile(path, "w") as package:
        for name, content in files.items():
            package.writestr(name, content)


def test_pictures_are_listed_with_the_labels_of_their_names(home: Path, tmp_path: Path) -> None:
    zipped(tmp_path / "set.zip")
    folder = materialise(manifest(), tmp_path)
    assert folder is not None
    assert sorted(path.name for path in folder.iterdir()) == ["a_00_7.png", "b_01_12.png", "val_map.txt"]
    assert (folder / "val_map.txt").read_text() == "a_00_7.png 7\nb_01_12.png 12\n"
    dataset = open_dataset(manifest(), tmp_path, folder)
    assert dataset.labels == (7, 12)


def test_a_tar_archive_gives_the_same_list(home: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "set.tar.gz", "w:gz") as package:
        for name, content in PICTURES.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            package.addfile(info, io.BytesIO(content))
    folder = materialise(manifest(source="file:set.tar.gz"), tmp_path)
    assert folder is not None
    assert (folder / "val_map.txt").read_text() == "a_00_7.png 7\nb_01_12.png 12\n"


def test_a_second_use_unpacks_nothing(home: Path, tmp_path: Path) -> None:
    zipped(tmp_path / "set.zip")
    first = materialise(manifest(), tmp_path)
    assert first is not None
    before = (first / "a_00_7.png").stat().st_mtime_ns
    assert materialise(manifest(), tmp_path) == first
    assert (first / "a_00_7.png").stat().st_mtime_ns == before


def test_another_archive_or_another_choice_is_another_folder(home: Path, tmp_path: Path) -> None:
    zipped(tmp_path / "set.zip")
    folders = {materialise(manifest(), tmp_path), materialise(manifest("set/data/a_*_{label}.png"), tmp_path)}
    zipped(tmp_path / "set.zip", PICTURES | {"set/data/c_02_3.png": b"three"})
    folders.add(materialise(manifest(), tmp_path))
    assert len(folders) == 3


def test_without_labels_in_the_names_the_archive_brings_its_list(home: Path, tmp_path: Path) -> None:
    zipped(tmp_path / "set.zip", {"a.png": b"a", "val_map.txt": b"a.png 3\n"})
    folder = materialise(manifest("**"), tmp_path)
    assert open_dataset(manifest("**"), tmp_path, folder).labels == (3,)


def test_an_archive_without_such_files_is_told(home: Path, tmp_path: Path) -> None:
    zipped(tmp_path / "set.zip")
    with pytest.raises(DataError, match=r"no file 'other/\*_\{label\}\.png'"):
        materialise(manifest("other/*_{label}.png"), tmp_path)
    assert not list((home / "cache" / "datasets").glob("[!.]*"))


def test_a_damaged_archive_leaves_nothing(home: Path, tmp_path: Path) -> None:
    zipped(tmp_path / "set.zip")
    whole = (tmp_path / "set.zip").read_bytes()
    (tmp_path / "set.zip").write_bytes(whole.replace(b"twelve", b"twelwe"))
    with pytest.raises(AssetError, match="cannot be read"):
        materialise(manifest(), tmp_path)
    assert not list((home / "cache" / "datasets").glob("[!.]*"))
    assert not list((home / "cache" / "datasets").glob(".partial-*"))


def test_a_folder_is_no_archive(home: Path) -> None:
    found = load_dataset("digits")
    assert materialise(found.manifest, found.path.parent) is None


def test_imagenet20_is_the_pictures_of_foolbox(home: Path) -> None:
    found = load_dataset("imagenet20")
    try:
        folder = materialise(found.manifest, found.path.parent)
    except AssetError as error:
        pytest.skip(f"the package index is not to be had: {error}")
    dataset = open_dataset(found.manifest, found.path.parent, folder)
    assert len(dataset) == 20
    assert dataset.labels is not None
    assert dataset.labels[:3] == (243, 559, 438)
    assert dataset.files[0] == "imagenet_00_243.jpg"
