"""A model that names the versions of what decodes its pictures."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import mlscope
from mlscope.conductor import rerun
from mlscope.errors import StackError
from tests.conftest import Cli
from tests.e2e import running

OLD = "10.3.0"


def with_pillow(data: dict[str, Any]) -> None:
    """Decode by a Pillow that mlscope itself does not have."""
    data["inputs"][0]["steps"][0]["library"] = "pillow"
    data["loader"] = {"packages": [f"pillow=={OLD}"]}


def test_pictures_are_decoded_by_the_versions_that_the_manifest_names(home: Path, tmp_path: Path) -> None:
    assert metadata.version("pillow") != OLD
    manifest = running.manifest(tmp_path, change=with_pillow)
    try:
        found = [mlscope.evaluate(manifest, num_file_parts=40, preprocess=form) for form in ("inline", "cached")]
    except StackError as error:
        if "reach" not in str(error):
            raise
        pytest.skip(f"the package index is not to be had: {error}")
    for evaluation in found:
        data = evaluation.record.data
        assert data is not None
        assert data.libraries == {"pillow": OLD}
        with evaluation.open("loader-lock.json") as file:
            lock = json.load(file)
        assert {"name": "pillow", "version": OLD}.items() <= next(
            each for each in lock["packages"] if each["name"] == "pillow"
        ).items()
        assert data.lock_sha256 not in {None, evaluation.record.lock_sha256}
    assert found[0].record.accuracy == found[1].record.accuracy
    manifest.write_text(manifest.read_text().replace(OLD, "11.0.0"))
    again = rerun(found[1].record.id)
    assert again.identical is True
    assert again.outcome.record.data == found[1].record.data


def test_a_version_that_does_not_exist_is_one_line(cli: Cli, home: Path, tmp_path: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["loader"] = {"packages": ["pillow==0.0.1"], "python": "2.7"}

    line = running.one_line(cli("predict", "dataset", "--model-name", running.manifest(tmp_path, change=change)), 6)
    assert "2.7" in line
