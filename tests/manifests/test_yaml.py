"""Files that are no good YAML, and files that want to be too much of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.errors import ManifestError
from mlscope.manifests import check, load_dataset, load_model

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

BROKEN = [
    (b"", "1:1", "the file is empty"),
    (b"# only a comment\n", "1:1", "the file is empty"),
    (b"- a\n- b\n", "1:1", "a manifest is a mapping"),
    (b"a: 1\nb: 2\n", "1:1", "the key 'schema' is missing"),
    (b"name: x\n  version: 1\n", "2:10", "mapping values are not allowed"),
    (b"name: [1, 2\n", "2:1", "not valid YAML"),
    (b"name: 'x\n", "2:1", "not valid YAML"),
    (b"name: x\n--- \nname: y\n", "2:1", "not valid YAML"),
    (b"name: x\nna\xffme: y\n", "2:3", "not a text file in UTF-8"),
    (b"name: x\nb: \x00\n", "2:4", "a control character"),
    (b"name: x\n? [a]\n: 1\n", "2:3", "a key must be plain text"),
    (b"name: x\nother: !!int many\n", "2:8", "'many' is no int"),
    (b"name: x\nother: !mine 1\n", "2:8", "the tag !mine"),
    (b"name: &n [*n]\n", "1:7", "nested more than 40 levels"),
    (b"name: " + b"[" * 5000 + b"]" * 5000, None, "nested more than 40 levels"),
    (BOMB.encode(), None, "more than 20000 values"),
    (b"# " + b"x" * 600_000, "1:1", "larger than 512 KiB"),
]


@pytest.mark.parametrize(("content", "position", "words"), BROKEN, ids=[row[2] for row in BROKEN])
def test_a_file_that_cannot_be_read_is_refused_in_one_line(
    tmp_path: Path, content: bytes, position: str | None, words: str
) -> None:
    path = tmp_path / "broken.yml"
    path.write_bytes(content)
    with pytest.raises(ManifestError) as caught:
        load_model(str(path))
    assert words.replace("the tag", "the YAML tag") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value.where).startswith(f"{path}:")
    if position:
        assert caught.value.where == f"{path}:{position}"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="there is no such file"):
        load_model(str(tmp_path / "none.yml"))


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.yml").mkdir()
    with pytest.raises(ManifestError, match="cannot be read"):
        load_model(str(tmp_path / "folder.yml"))


@pytest.mark.parametrize("written", ["1.0", '"1.0"', "'1.0'"])
def test_a_version_is_what_was_written(tmp_path: Path, written: str) -> None:
    path = tmp_path / "d.yml"
    path.write_text(f"schema: mlscope/dataset/v1\nname: d\nversion: {written}\nclasses: 2\n", encoding="utf-8")
    assert load_dataset(str(path)).manifest.version == "1.0"


@pytest.mark.parametrize("written", ["1.10", "1e3", "0x10", "1_000", "007", "76.160", "true", "2020-01-01", "Yes"])
def test_attributes_are_kept_as_written(tmp_path: Path, written: str) -> None:
    path = tmp_path / "d.yml"
    text = f"schema: mlscope/dataset/v1\nname: {written}x\nversion: 1\nclasses: 2\nattributes: {{value: {written}}}\n"
    path.write_text(text, encoding="utf-8")
    assert load_dataset(str(path)).manifest.attributes == {"value": written}


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_line_endings_and_byte_order_marks_do_not_matter(tmp_path: Path, ending: str, start: str) -> None:
    path = tmp_path / "d.yml"
    lines = ["schema: mlscope/dataset/v1", "name: d", "version: 1", "classes: two", ""]
    path.write_bytes((start + ending.join(lines)).encode())
    assert [(finding.line, finding.column) for finding in check([path])] == [(4, 10)]


def test_aliases_in_reason_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "d.yml"
    text = "schema: mlscope/dataset/v1\nname: &name d\nversion: 1\nclasses: 2\ndescription: *name\n"
    path.write_text(text, encoding="utf-8")
    assert load_dataset(str(path)).manifest.description == "d"


@given(
    st.one_of(st.binary(max_size=200), st.text(alphabet="ab:-[]{}&*!|>'\"#%@\n\t ,?1.~", max_size=80).map(str.encode))
)
def test_any_bytes_are_a_manifest_or_broken_but_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yml"
    path.write_bytes(content)
    findings = check([path])
    assert all(finding.line >= 1 and finding.column >= 1 for finding in findings)
    assert all("\n" not in str(finding) for finding in findings)
