"""``docs/analyses.md`` says where every column of MLModelScope's reports is now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlscope.analyses import ANALYSES, KERNELS_BY, View
from mlscope.analyses import run as analyse
from tests.house._source import CHECKOUT

DOCUMENT = (CHECKOUT / "docs" / "analyses.md").read_text(encoding="utf-8")
MAP = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", DOCUMENT.split("## From MLModelScope")[1], re.MULTILINE)[1:]
NEW = re.compile(r"`(\w+)\.(?!parquet)(\w+)`")
NO_COLUMN = re.compile(r"same( shape.*)?|-|see 2\.2.*|from layer_aggre_info|then flops.*|.*documents.*")
BASE = "all"


def columns(name: str) -> set[str]:
    """All columns that an analysis can have."""
    views = [View(by=by) for by in KERNELS_BY] if name == "kernels" else [View()]
    return {column.name for view in views for column in analyse(name, [], view)[0].columns}


def test_every_new_column_is_one_of_its_analysis() -> None:
    found = [pair for _, _, now in MAP for pair in NEW.findall(now)]
    assert len(found) > 100
    assert not [f"{name}.{column}" for name, column in found if column not in columns(name)]


def test_every_old_column_has_a_new_one_or_a_reason() -> None:
    assert not [
        row for row in MAP if not NEW.search(row[2]) and not re.match(r"impossible( in a table)?: .{10}", row[2])
    ]
    assert len({row[:2] for row in MAP}) == len(MAP)


def test_every_analysis_is_described() -> None:
    described = set(re.findall(r"^\| `(\w+)` \|", DOCUMENT, re.MULTILINE))
    assert set(ANALYSES) <= described


def old_columns(cell: str) -> list[str]:
    """Names in a list of columns as the notes write them: units in brackets, a word on top before ``+``."""
    plain = re.sub(r"\([^()]*\)", "", cell).replace("`", "")
    names = [part.split(" = ")[0].strip(" .") for part in re.split(r"[,+]| = ", plain)]
    return [name for name in names if re.fullmatch(r"\w+( percentage| memory| memory percentage)?", name)]


def test_every_column_that_the_originals_had_is_in_the_map(shared_dir: Path) -> None:
    notes = shared_dir.parent / "reference" / "mlmodelscope.md"
    if not notes.is_file():
        pytest.skip("the notes on MLModelScope are not here")
    text = notes.read_text(encoding="utf-8")
    mapped = {old for _, old, _ in MAP}
    head = text.split("### 2.3 HEAD commands")[1].split("Formulas:")[0]
    told = []
    for command, cell in re.findall(r"^\| ([\w /`(),*-]+) \| ([^|]+) \|", head, re.MULTILINE)[1:]:
        if not NO_COLUMN.fullmatch(cell.strip()) and command.strip() != "command":
            told += old_columns(cell)
    base = text.split("Every row may be prefixed by SummaryBase:")[1].split("Averaging everywhere")[0]
    told += old_columns(base.replace("2018 SummaryBase:", ",").replace("\n", " "))
    assert len(set(told)) > 50
    assert "layer_device_persistent_mem_bytes" in told
    unmapped = {name for name in told if name not in mapped}
    assert unmapped <= {"layer"}, unmapped
