"""Folders of classes and lists in CSV: what is read, and everything that is refused."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlscope.errors import DataError, ManifestError
from mlscope.loader import Dataset, open_dataset
from mlscope.manifests import DatasetManifest, load_dataset

SYNSETS = "n01440764 0\nn01443537 1\nn01484850 2\n"


def manifest(classes: int = 3, **fields: Any) -> DatasetManifest:
    return DatasetManifest.model_validate({"name": "mine", "version": "1.0", "classes": classes, **fields})


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"picture")
    return root


def folders(root: Path, index: str | None = None, classes: int = 3, layout: str = "folders") -> Dataset:
    file = None
    if index is not None:
        file = root.with_name("index.txt")
        file.write_text(index)
    return open_dataset(manifest(classes, layout=layout), root, root, file)


def read_csv(root: Path, text: str | bytes, index: str | None = None, **fields: Any) -> Dataset:
    data = text.encode() if isinstance(text, str) else text
    root.mkdir(exist_ok=True)
    (root / "labels.csv").write_bytes(data)
    file = None
    if index is not None:
        file = root.with_name("index.txt")
        file.write_text(index)
    return open_dataset(manifest(layout="csv", **fields), root, root, file)


def told(error: pytest.ExceptionInfo[DataError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert error.value.exit_code == 5
    return text


def test_the_position_of_a_sorted_folder_is_its_class(tmp_path: Path) -> None:
    root = make(tmp_path / "d", "cat/b.JPEG", "cat/a.png", "bird/x/y.jpg", "bird/a.webp", "dog/1.bmp", "dog/notes.md")
    make(root, ".git/config.png")
    found = folders(root)
    assert found.files == ("bird/a.webp", "bird/x/y.jpg", "cat/a.png", "cat/b.JPEG", "dog/1.bmp")
    assert found.labels == (0, 0, 1, 1, 2)
    assert found.layout == "folders"


def test_an_index_tells_the_class_of_a_folder(tmp_path: Path) -> None:
    root = make(tmp_path / "d", "n01484850/a.jpg", "n01440764/b.jpg")
    assert folders(root, SYNSETS).labels == (0, 2)


def test_folders_are_recognised_where_there_is_no_list(tmp_path: Path) -> None:
    root = make(tmp_path / "d", "n01484850/a.jpg", "n01440764/b.jpg")
    found = folders(root, SYNSETS, layout="val_map")
    assert (found.layout, found.labels) == ("folders", (0, 2))
    three = make(tmp_path / "three", "a/1.png", "b/1.png", "c/1.png")
    assert folders(three, layout="val_map").layout == "folders"
    (root / "val_map.txt").write_text("n01484850/a.jpg 1\n")
    assert folders(root, SYNSETS, layout="val_map").layout == "val_map", "a list that is there goes first"


def test_what_may_be_something_else_is_not_recognised(tmp_path: Path) -> None:
    root = make(tmp_path / "d", "n01484850/a.jpg", "elsewhere/b.jpg")
    with pytest.raises(DataError) as error:
        folders(root, SYNSETS, layout="val_map")
    assert "has no val_map.txt; it holds a line `file index` for each picture" in told(error)
    root = make(tmp_path / "e", "n01484850/a.jpg", "valmap.txt")
    with pytest.raises(DataError) as error:
        folders(root, SYNSETS, layout="val_map")
    assert "did you mean 'valmap.txt'?" in told(error)
    root = make(tmp_path / "f", "val/n01484850/a.jpg", "other/x.png")
    with pytest.raises(DataError) as error:
        folders(root, SYNSETS, layout="val_map")
    assert f"did you mean --dataset-path {root / 'val'}?" in told(error)


def test_the_built_in_imagenet_takes_both_layouts(tmp_path: Path) -> None:
    found = load_dataset("imagenet")
    assert found.manifest.class_index is not None
    assert isinstance(found.manifest.class_index.source, str)
    index = found.path.parent / found.manifest.class_index.source.removeprefix("file:")
    root = make(tmp_path / "val", "n15075141/ILSVRC2012_val_00000001.JPEG", "n01440764/ILSVRC2012_val_00000293.JPEG")
    data = open_dataset(found.manifest, found.path.parent, root, index)
    assert (data.layout, data.labels) == ("folders", (0, 999))


def test_its_synsets_are_those_of_known_pictures(shared_dir: Path) -> None:
    lines = (load_dataset("imagenet").path.parent / "imagenet_synsets.txt").read_text().splitlines()
    index = {name: int(number) for name, number in map(str.split, lines)}
    assert len(index) == 1000
    for line in (shared_dir / "imagenet500" / "val_map.txt").read_text().splitlines():
        name, _, label = line.rpartition(" ")
        assert index[name.partition("_")[0]] == int(label)


@pytest.mark.parametrize(
    ("names", "index", "message"),
    [
        ((), None, "the folder has no folders of classes"),
        (("a.jpg",), None, "the folder has no folders of classes"),
        (("a/1.jpg", "b/1.jpg"), None, "the folder has 2 class folders and the data set 3 classes"),
        (("a/1.jpg", "b/1.jpg", "c/1.txt"), None, "c: the class folder holds no pictures"),
        (("n0144076/1.jpg",), SYNSETS, "not in the class index; did you mean 'n01440764'?"),
        (("a/1.jpg",), "a 3\n", "index.txt:1: index 3 is out of range (0 to 2)"),
        (("a/1.jpg",), "a 1\n\na 1\n", "index.txt:3: the class 'a' is there twice"),
        (("a/1.jpg",), "a\n", "index.txt:1: the line is no `class index`: 'a'"),
        (("a/1.jpg",), "\n", "the class index names no classes"),
    ],
)
def test_folders_that_do_not_tell_classes(
    tmp_path: Path, names: tuple[str, ...], index: str | None, message: str
) -> None:
    root = tmp_path / "d"
    root.mkdir()
    with pytest.raises(DataError) as error:
        folders(make(root, *names), index)
    assert message in told(error)


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    root = make(tmp_path / "d", "a/1.jpg")
    (root / "a" / "again").symlink_to(root / "a")
    assert folders(root, classes=1).files == ("a/1.jpg",)


def test_a_file_name_that_is_no_text(tmp_path: Path) -> None:
    root = make(tmp_path / "d", "a/1.jpg")
    try:
        (Path(os.fsdecode(bytes(root / "a") + b"/\xff.jpg"))).write_bytes(b"picture")
    except OSError:
        pytest.skip("this file system takes names of text only")
    with pytest.raises(DataError) as error:
        folders(root, classes=1)
    assert "a file's name is no UTF-8" in told(error)


def test_a_csv_list_is_read_by_its_header(tmp_path: Path) -> None:
    root = make(tmp_path / "d", "b, c.jpg", "a.jpg")
    found = read_csv(root, '\ufeffid,label,file\r\n1, 2 ,"b, c.jpg"\r\n\r\n2,0,a.jpg\r\n')
    assert (found.files, found.labels, found.layout) == (("b, c.jpg", "a.jpg"), (2, 0), "csv")
    named = read_csv(root, "path;x,class\na.jpg,1\n", columns={"file": "path;x", "label": "class"})
    assert named.labels == (1,)


def test_a_csv_list_may_name_classes(tmp_path: Path) -> None:
    root = make(tmp_path / "d", "1.jpg", "2.jpg", "3.jpg")
    text = "file,label\n1.jpg,dog\n2.jpg,bird\n3.jpg,cat\n"
    assert read_csv(root, text).labels == (2, 0, 1)
    assert read_csv(root, text, "bird 2\ncat 1\ndog 0\n").labels == (0, 2, 1)
    assert read_csv(root, "file,label\n1.jpg,dog\n2.jpg,1\n", "dog 2\n").labels == (2, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,class\na.jpg,1\n", ":1: the list has no column 'label'; it has 'file', 'class'"),
        ("file,label,file\na.jpg,1,b\n", ":1: the column 'file' is there twice"),
        ("file,label\na.jpg,1\na.jpg\n", ":3: the line has no value for 'label'"),
        ("file,label\n,1\n", ":2: the line has no value for 'file'"),
        ("file,label\na.jpg,3\n", ":2: label 3 is out of range (0 to 2)"),
        ("file,label\na.jpg,-1\n", ":2: label -1 is out of range"),
        ("file,label\n../a.jpg,1\n", ":2: '../a.jpg' leads out of the data set's folder"),
        ("file,label\n/etc/passwd,1\n", ":2: '/etc/passwd' leads out of the data set's folder"),
        ("file,label\na.jpg,1\na.jpg,2\n", ":3: 'a.jpg' has label 2 here and 1 further up"),
        ("file,label\na.jpg,dog\na.jpg,1\n", ":3: label '1' is a number, others are names"),
        ("file,label\na.jpg,dog\n", "the list has 1 names of classes and the data set 3 classes"),
        ("file,label\nb.jpg,1\n", "labels.csv names 'b.jpg', which is not there"),
        ('file,label\na.jpg,"1\n', ": the line is no CSV: unexpected end of data"),
        (b"file,label\na.jpg,1\n\xff.jpg,1\n", ":3: the list cannot be read: byte 0xff is no UTF-8"),
        ("file,label\n" + "a" * 200_000 + ",1\n", ":2: the line is no CSV: field larger than field limit"),
        ("", "the list names no pictures"),
        ("file,label\n\n", "the list names no pictures"),
    ],
)
def test_a_csv_list_that_cannot_be_used_says_where(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError) as error:
        read_csv(make(tmp_path / "d", "a.jpg"), text)
    assert message in told(error)
    assert "labels.csv" in told(error)


def test_a_name_that_the_index_lacks(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.csv:2: the class 'dog' is not in the class index"):
        read_csv(make(tmp_path / "d", "a.jpg"), "file,label\na.jpg,dog\n", "cat 1\n")


def test_a_missing_csv_list(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"the folder has no list\.csv; did you mean 'lists\.csv'\?"):
        open_dataset(manifest(layout="csv", list="list.csv"), tmp_path, make(tmp_path, "lists.csv"))


NAME = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"], exclude_characters="/"), min_size=1, max_size=9)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAME.filter(lambda name: name.strip(".") != ""), st.integers(0, 9), min_size=1, max_size=5))
def test_any_names_come_back_from_csv(tmp_path_factory: pytest.TempPathFactory, samples: dict[str, int]) -> None:
    if "labels.csv" in samples:
        return
    root = make(tmp_path_factory.mktemp("csv"), *samples)
    with (root / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("label", "file"), *((label, name) for name, label in samples.items())])
    found = open_dataset(manifest(10, layout="csv"), root, root)
    assert dict(zip(found.files, found.labels or (), strict=True)) == samples


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"layout": "folders", "list": "a.txt"}, "layout folders has no list"),
        ({"columns": {"file": "a"}}, "columns are those of layout csv"),
        ({"layout": "csv", "columns": {"path": "a"}}, "unknown key 'path'"),
        ({"layout": "folder"}, "folders"),
    ],
)
def test_manifests_that_contradict_themselves(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    import json

    path = tmp_path / "d.yml"
    path.write_text(json.dumps({"schema": "mlscope/dataset/v1", "name": "d", "version": "1", "classes": 3, **fields}))
    with pytest.raises(ManifestError, match=message):
        load_dataset(str(path))
