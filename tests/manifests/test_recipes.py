"""Weights that a recipe makes and data sets in archives, as manifests say them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.manifests import Archive, BrokenManifest, check, convert, load_dataset, load_model
from mlscope.manifests._recipe import BUILTIN_RECIPES

SHA256 = "0" * 64
MODEL = """\
schema: mlscope/model/v1
name: Made
version: "1.0"
framework: {name: onnxruntime}
weights:
  - framework: ONNX-runtime
    tags: [onnx, fp32]
    recipe:
      script: SCRIPT
      stack: {framework: torch, version: ">=2.4", packages: [onnx, "numpy<2"]}
      sources:
        words: {source: file:words.txt}
      samples: {dataset: digits, count: 10}
      outputs: {graph: made.onnx}
      arguments: {depth: 3, per_channel: true, names: [a, b]}
      timeout_s: 60
inputs:
  - {type: image, shape: [1, 8, 8], layout: CHW, color_mode: GRAY, steps: [{op: decode, library: opencv}]}
outputs:
  - {type: classification}
"""
DATASET = """\
schema: mlscope/dataset/v1
name: packed
version: "1.0"
classes: 10
archive:
  source: file:pictures.zip
  files: pictures/*_{label}.png
"""


def write(folder: Path, text: str) -> str:
    path = folder / "m.yml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def model(folder: Path, *changes: tuple[str, str]) -> str:
    """The manifest with its script and its source; every change (old, new) must apply."""
    (folder / "words.txt").write_text("x")
    (folder / "script.py").write_text("pass")
    text = MODEL.replace("SCRIPT", "file:script.py")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return write(folder, text)


def complaint(path: str) -> str:
    with pytest.raises(BrokenManifest) as caught:
        load_model(path)
    return str(caught.value)


def test_a_recipe_is_read_with_canonical_framework_names(tmp_path: Path) -> None:
    (entry,) = load_model(model(tmp_path)).manifest.weights
    assert (entry.framework, entry.graph) == ("onnxruntime", None)
    assert entry.recipe is not None
    assert (entry.recipe.stack.framework, entry.recipe.stack.version) == ("pytorch", ">=2.4")
    assert entry.recipe.arguments == {"depth": 3, "per_channel": True, "names": ["a", "b"]}
    assert entry.recipe.samples is not None
    assert entry.recipe.samples.count == 10


def test_a_recipe_converts_to_an_equal_manifest(tmp_path: Path) -> None:
    path = model(tmp_path)
    other = tmp_path / "other.yml"
    other.write_text(convert(path), encoding="utf-8")
    assert load_model(str(other)).manifest == load_model(path).manifest


def test_a_recipe_without_fault_is_checked_without_finding(tmp_path: Path) -> None:
    assert check([model(tmp_path)]) == []


def test_files_that_a_recipe_needs_must_be_there(tmp_path: Path) -> None:
    path = model(tmp_path)
    (tmp_path / "words.txt").unlink()
    (tmp_path / "script.py").unlink()
    found = check([path])
    assert [finding.message for finding in found] == ["there is no file script.py", "there is no file words.txt"]
    assert [(finding.line, finding.column > 1) for finding in found] == [(9, True), (12, True)]


@pytest.mark.parametrize("name", sorted(path.name for path in BUILTIN_RECIPES.glob("*.py")))
def test_every_built_in_script_can_be_named(tmp_path: Path, name: str) -> None:
    recipe = load_model(model(tmp_path, ("file:script.py", f"builtin:{name}"))).manifest.weights[0].recipe
    assert recipe is not None
    assert recipe.builtin == BUILTIN_RECIPES / name


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("file:script.py", "builtin:quantise_int8.py", "did you mean 'builtin:quantize_int8.py'"),
        ("file:script.py", "builtin:../x.py", "written builtin:NAME.py"),
        ("file:script.py", "https://example.org/x.py", "over a network needs its sha256"),
        ("file:script.py", "script.py", "did you mean 'file:script.py'"),
        ("file:script.py", "[file:a.py, file:b.py]", "must be one source"),
        ("framework: torch", "framework: torhc", "unknown framework 'torhc'; did you mean 'torch'"),
        ('">=2.4"', "newest", "no version constraint"),
        ("packages: [onnx", "packages: [not a package", "no requirement as pip writes them"),
        ("graph: made.onnx", "graph: ../made.onnx", "plain file name"),
        ("graph: made.onnx", "params: made.params", "must have a 'graph'"),
        ("{graph: made.onnx}", "{graph: made.onnx, params: made.onnx}", "two outputs have the same file name"),
        ("words: {source", "samples: {source", "the name 'samples' is taken"),
        ("words: {source", "'a b': {source", "no name of letters"),
        ("timeout_s: 60", "timeout_s: 0", "greater than 0"),
        ("timeout_s: 60", "time_limit: 60", "unknown key 'time_limit'"),
        ("depth: 3", "depth: .nan", "JSON"),
        ("    recipe:", "    graph: {source: file:words.txt}\n    recipe:", "not both"),
        ("    recipe:", "    params: {source: file:words.txt}\n    recipe:", "'graph', which is missing"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_told_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    told = complaint(model(tmp_path, (old, new)))
    assert message in told
    assert re.search(r"m\.yml:\d+:\d+: ", told)


def test_an_entry_needs_files_or_a_recipe(tmp_path: Path) -> None:
    text = MODEL[: MODEL.index("    recipe:")] + MODEL[MODEL.index("inputs:") :]
    assert "missing key 'graph' (the model file) or 'recipe'" in complaint(write(tmp_path, text))


def test_a_model_is_found_by_its_other_names(tmp_path: Path) -> None:
    found = load_model(model(tmp_path, ("name: Made", "name: Made\naliases: [Maid]")))
    assert found.manifest.aliases == ("Maid",)


# --- archives -------------------------------------------------------------------------------------------------


def test_an_archive_is_read(tmp_path: Path) -> None:
    archive = load_dataset(write(tmp_path, DATASET)).manifest.archive
    assert archive is not None
    assert archive.labelled
    assert archive.prefix == "pictures/"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("file:pictures.zip", "pypi:foolbox==3.3.4", "needs its sha256"),
        ("file:pictures.zip", "pypi:foolbox", "written pypi:name==version"),
        ("_{label}", "_{label}{label}", "only in {label}, once"),
        ("_{label}", "_{class}", "only in {label}, once"),
        ("pictures/*", "../*", "without '..'"),
        ("archive:", "path: pictures\narchive:", "either in a folder ('path') or in an archive"),
    ],
)
def test_what_is_wrong_with_an_archive_is_told(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in DATASET
    with pytest.raises(BrokenManifest) as caught:
        load_dataset(write(tmp_path, DATASET.replace(old, new)))
    assert message in str(caught.value)


def test_a_whole_wheel_is_no_model_file(tmp_path: Path) -> None:
    told = complaint(model(tmp_path, ("source: file:words.txt", "source: pypi:foolbox==3.3.4")))
    assert "pypi:name==version#path/in/wheel" in told


@pytest.mark.parametrize(
    ("files", "member", "label"),
    [
        ("**", "a/b.png", None),
        ("*.png", "b.png", None),
        ("a/**/*.png", "a/b.png", None),
        ("a/**/*.png", "a/b/c/d.png", None),
        ("a/?.png", "a/b.png", None),
        ("foolbox/data/imagenet_*_{label}.jpg", "foolbox/data/imagenet_07_609.jpg", "609"),
        ("{label}/*.png", "12/x.png", "12"),
    ],
)
def test_a_pattern_finds_its_files(files: str, member: str, label: str | None) -> None:
    match = Archive(source="file:a.zip", files=files).regex().fullmatch(member)
    assert match is not None
    assert match.groupdict().get("label") == label


@pytest.mark.parametrize(
    ("files", "member"), [("*.png", "a/b.png"), ("a.png", "aXpng"), ("{label}.png", "x.png"), ("a/?.png", "a/bc.png")]
)
def test_a_pattern_leaves_other_files(files: str, member: str) -> None:
    assert Archive(source="file:a.zip", files=files).regex().fullmatch(member) is None


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="*?{}\\"), min_size=1, max_size=30)
)
def test_a_plain_path_is_a_pattern_for_itself_alone(path: str) -> None:
    if path.startswith("/") or ".." in path.split("/"):
        return
    archive = Archive(source="file:a.zip", files=path)
    assert archive.regex().fullmatch(path)
    assert not archive.regex().fullmatch(path + "x")
    assert path.removeprefix(archive.prefix) == path.rpartition("/")[2]
