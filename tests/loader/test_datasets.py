"""Lists of pictures: what is read, and everything that is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlscope.errors import DataError
from mlscope.loader import Dataset, open_dataset
from mlscope.manifests import DatasetManifest

NAME = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"], exclude_characters="/"), min_size=1, max_size=12)
NAMES = st.lists(NAME, min_size=1, max_size=2).map(" ".join).filter(lambda name: name.strip(" .") != "")


def manifest(classes: int = 10, **fields: str) -> DatasetManifest:
    return DatasetManifest.model_validate({"name": "mine", "version": "1.0", "classes": classes, **fields})


def make(folder: Path, text: str | bytes, *names: str) -> Path:
    """A folder with a list and files."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"picture")
    data = text.encode() if isinstance(text, str) else text
    (folder / "val_map.txt").write_bytes(data)
    return folder


def read(folder: Path, classes: int = 10) -> Dataset:
    return open_dataset(manifest(classes), folder, folder)


def refused(folder: Path, classes: int = 10) -> DataError:
    with pytest.raises(DataError) as caught:
        read(folder, classes)
    return caught.value


def test_samples_come_in_the_order_of_the_list(tmp_path: Path) -> None:
    found = read(make(tmp_path, "b.png 3\na.png 0\nsub/c.png 9\n", "a.png", "b.png", "sub/c.png"))
    assert found.files == ("b.png", "a.png", "sub/c.png")
    assert found.labels == (3, 0, 9)
    assert len(found) == 3
    assert (found.name, found.version, found.classes, found.root) == ("mine", "1.0", 10, tmp_path)
    assert found.path(2) == str(tmp_path / "sub" / "c.png")


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("a b  c.png 1\n", ("a b  c.png",)),
        ("\n  \na.png 1\n\n\n", ("a.png",)),
        ("a.png 1\r\nb.png 2\r\n", ("a.png", "b.png")),
        ("\ufeffa.png 1\nb.png 2\n", ("a.png", "b.png")),
        ("a.png\t1\nb.png   2", ("a.png", "b.png")),
        ("  a.png 1  \n", ("a.png",)),
        ("a.png 007\nb.png +2\n", ("a.png", "b.png")),
        ("naïve café.png 1\n", ("naïve café.png",)),
        ("a\u2028b.png 1\n", ("a\u2028b.png",)),
        ("1 1\n", ("1",)),
        ("./a.png 1\n", ("./a.png",)),
    ],
    ids=["spaces", "blank", "crlf", "bom", "tabs", "edges", "digits", "accents", "separator", "number", "dot"],
)
def test_lines_are_read_as_people_write_them(tmp_path: Path, text: str, files: tuple[str, ...]) -> None:
    assert read(make(tmp_path, text, *files)).files == files


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, st.integers(0, 10**17), min_size=1, max_size=5), st.sampled_from(["\n", "\r\n", "\n\n"]))
def test_any_names_and_labels_come_back(
    tmp_path_factory: pytest.TempPathFactory, samples: dict[str, int], end: str
) -> None:
    folder = tmp_path_factory.mktemp("data")
    make(folder, "", *samples)
    (folder / "val_map.txt").write_bytes(end.join(f"{name} {label}" for name, label in samples.items()).encode())
    if "val_map.txt" in samples:
        return
    found = read(folder, classes=10**18)
    assert dict(zip(found.files, found.labels or (), strict=True)) == samples


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png 10\n", ":1: label 10 is out of range (0 to 9)"),
        ("a.png 1\na.png -1\n", ":2: label -1 is out of range (0 to 9)"),
        ("a.png\n", ":1: the line is no `file index`: 'a.png'"),
        ("7\n", ":1: the line is no `file index`: '7'"),
        ("a.png one\n", ":1: the line is no `file index`: 'a.png one'"),
        ("a.png 1.0\n", ":1: the line is no `file index`: 'a.png 1.0'"),
        ("a.png --1\n", ":1: the line is no `file index`"),
        ("a.png \u00b2\n", ":1: the line is no `file index`"),
        ("a.png \u0663\n", ":1: the line is no `file index`"),
        ("a.png " + "9" * 5000, ":1: the line is no `file index`"),
        ("\n\na.png 1\nb.png x\n", ":4: the line is no `file index`"),
        ("a.png 1\nb.png 2\na.png 2\n", ":3: 'a.png' has label 2 here and 1 further up"),
        ("../../etc/passwd 1\n", ":1: '../../etc/passwd' leads out of the data set's folder"),
        ("sub/../../x.png 1\n", "leads out of the data set's folder"),
        (".. 1\n", "leads out of the data set's folder"),
        ("/etc/passwd 1\n", ":1: '/etc/passwd' leads out of the data set's folder"),
        ("a\0.png 1\n", "leads out of the data set's folder"),
        ("none.png 1\n", "val_map.txt names 'none.png', which is not there"),
        ("a.png 1\nsub 2\n", "val_map.txt names 'sub', which is no file"),
        ("", "the list names no pictures"),
        ("\n \r\n\n", "the list names no pictures"),
    ],
)
def test_a_list_that_cannot_be_used_says_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "sub").mkdir()
    error = refused(make(tmp_path, text, "a.png", "b.png"))
    assert message in str(error)
    assert str(tmp_path) in str(error)
    assert "\n" not in str(error)
    assert error.exit_code == 5


def test_a_list_that_is_no_text(tmp_path: Path) -> None:
    assert "the list cannot be read" in str(refused(make(tmp_path, b"\xff\xfe\x00\x01")))


def test_a_file_that_is_listed_twice_is_evaluated_twice(tmp_path: Path) -> None:
    assert read(make(tmp_path, "a.png 1\na.png 1\n", "a.png")).files == ("a.png", "a.png")


def test_a_link_may_lead_anywhere(tmp_path: Path) -> None:
    """Big data sets are often folders of links."""
    elsewhere = tmp_path / "elsewhere.png"
    elsewhere.write_bytes(b"picture")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "a.png").symlink_to(elsewhere)
    (folder / "val_map.txt").write_text("a.png 1\n")
    assert len(read(folder)) == 1
    elsewhere.unlink()
    assert "which is not there" in str(refused(folder))


def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "which is no file" in str(refused(make(tmp_path, "pipe 1\n")))


def test_a_missing_list_suggests_the_one_that_is_there(tmp_path: Path) -> None:
    folder = make(tmp_path, "a.png 1\n", "a.png")
    (folder / "val_map.txt").rename(folder / "valmap.txt")
    assert str(refused(folder)) == f"{tmp_path}: the folder has no val_map.txt; did you mean 'valmap.txt'?"
    (folder / "valmap.txt").unlink()
    assert "it holds a line `file index` for each picture" in str(refused(folder))


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    assert "there is no such folder; give --dataset-path DIR" in str(refused(tmp_path / "none"))
    file = tmp_path / "file"
    file.write_bytes(b"")
    assert "this is a file, not a folder; give --dataset-path DIR" in str(refused(file))


def test_a_manifest_may_know_its_folder(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    make(tmp_path / "pictures", "a.png 1\n", "a.png")
    found = open_dataset(manifest(path="pictures"), tmp_path, None)
    assert found.root == tmp_path / "pictures"
    other = tmp_path / "other"
    other.mkdir()
    make(other, "b.png 1\n", "b.png")
    assert open_dataset(manifest(path="pictures"), tmp_path, other).files == ("b.png",)
    with pytest.raises(DataError, match="the data set 'mine' does not say where its pictures lie; give --dataset-path"):
        open_dataset(manifest(), tmp_path, None)


def test_paths_do_not_depend_on_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loader processes work in another one."""
    make(tmp_path, "a.png 1\n", "a.png")
    monkeypatch.chdir(tmp_path.parent)
    found = open_dataset(manifest(), tmp_path, Path(tmp_path.name))
    assert found.path(0) == str(tmp_path / "a.png")


def test_the_digest_is_that_of_names_labels_and_sizes(tmp_path: Path) -> None:
    make(tmp_path, "a.png 1\nb.png 2\n", "a.png", "b.png")
    first = read(tmp_path).sha256
    (tmp_path / "val_map.txt").write_text("\ufeffa.png   1\r\n\r\nb.png 2")
    assert read(tmp_path).sha256 == first, "how the list is written does not matter"
    (tmp_path / "val_map.txt").write_text("b.png 2\na.png 1\n")
    assert read(tmp_path).sha256 != first
    (tmp_path / "val_map.txt").write_text("a.png 1\nb.png 3\n")
    assert read(tmp_path).sha256 != first
    (tmp_path / "val_map.txt").write_text("a.png 1\nb.png 2\n")
    (tmp_path / "b.png").write_bytes(b"another picture")
    assert read(tmp_path).sha256 != first
