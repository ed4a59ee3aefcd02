"""What is generated from the manifest classes, and the examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from mlscope.manifests import (
    DatasetManifest,
    FrameworkManifest,
    ModelManifest,
    check,
    json_schemas,
    load_dataset,
    load_model,
    manifest_reference,
)
from mlscope.manifests._reference import _classes

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = CHECKOUT / "examples" / "manifests"
CLASSES: tuple[type[BaseModel], ...] = (ModelManifest, DatasetManifest, FrameworkManifest)


def keys() -> Iterator[tuple[str, str, str | None]]:
    for cls in CLASSES:
        for part in _classes(cls, []):
            for name, field in part.model_fields.items():
                yield part.__name__, name, field.description


def test_every_key_has_a_meaning() -> None:
    assert [f"{owner}.{name}" for owner, name, meaning in keys() if not meaning] == []


def test_the_reference_names_every_key() -> None:
    text = manifest_reference()
    assert [name for _, name, _ in keys() if f"| `{name}` |" not in text] == []
    for cls in CLASSES:
        assert cls.SCHEMA in text  # type: ignore[attr-defined]


def test_the_links_of_the_reference_lead_to_its_headings() -> None:
    import re

    text = manifest_reference()
    anchors = {line.lstrip("# ").lower().replace(" ", "-") for line in text.splitlines() if line.startswith("#")}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors


@pytest.mark.parametrize("kind", ["model", "dataset", "framework"])
def test_the_published_schemas_are_those_of_the_code(kind: str) -> None:
    published = CHECKOUT / "docs" / "schemas" / f"{kind}.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json_schemas()[kind]


def test_a_schema_begins_with_the_schema_key_and_refuses_unknown_ones() -> None:
    schema: dict[str, Any] = json_schemas()["model"]
    assert schema["required"][0] == "schema"
    assert schema["properties"]["schema"]["const"] == "mlscope/model/v1"
    assert schema["additionalProperties"] is False


def test_the_examples_are_without_fault_or_doubt_but_for_the_files_that_a_user_brings() -> None:
    errors = [finding for finding in check([EXAMPLES]) if finding.severity == "error"]
    assert all("there is no f" in finding.message for finding in errors)
    model = load_model(str(EXAMPLES / "model.yml")).manifest
    builtin = load_model("MobileNet_v2_1.0_224_quant").manifest
    sha256 = [manifest.weights[0].graph and manifest.weights[0].graph.sha256 for manifest in (model, builtin)]
    assert model.inputs == builtin.inputs
    assert sha256[0] == sha256[1] is not None
    assert load_dataset(str(EXAMPLES / "dataset.yml")).manifest.classes == 1000
