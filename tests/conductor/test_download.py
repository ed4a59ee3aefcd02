"""Files of models, had before they are needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlscope.conductor import download, inspect_model
from mlscope.errors import ChecksumError, ManifestError, ModelError
from tests.e2e import running


def test_a_models_files_and_labels_are_there_afterwards(home: Path, tmp_path: Path) -> None:
    path = running.manifest(tmp_path / "model")
    (files,) = download([str(path)], offline=True).values()
    assert len(files) == 2
    assert files[0].read_bytes() == (tmp_path / "model" / "digits_cnn.onnx").read_bytes()


def test_wrong_bytes_are_refused(home: Path, tmp_path: Path) -> None:
    path = running.manifest(tmp_path / "model", change=lambda data: data["weights"][0]["graph"].update(sha256="0" * 64))
    with pytest.raises(ChecksumError, match="digits_cnn"):
        download([str(path)])


def test_an_unknown_model_is_refused(home: Path) -> None:
    with pytest.raises(ManifestError, match="Digits_CNN"):
        download(["Digits"])


def test_a_file_of_no_framework_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"\.onnx"):
        inspect_model(tmp_path / "model.bin")
    (tmp_path / "model.onnx").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="cannot load"):
        inspect_model(tmp_path / "model.onnx")
