"""Layers of real runs side by side, and what `mlscope explain` says of them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from mlscope.analyses import WORK_FILE, read_work
from tests.conftest import Cli
from tests.e2e import running

DIGITS = {"conv1", "conv2", "dense", "flatten", "relu1", "relu2"}
TRACED = ("predict", "dataset", "--num-file-parts", "30", "--trace-level", "FRAMEWORK_TRACE")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two runs: nodes fused as far as ONNX Runtime does it, and none fused."""
    folder = tmp_path_factory.mktemp("layers")
    for level in ("all", "disable"):
        done = running.run(folder, *TRACED, "--option", f"graph_optimization_level={level}")
        assert done.code == 0, done.err
    return folder


@pytest.fixture
def two(home: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Their ids, in the home of the command."""
    monkeypatch.setenv("MLSCOPE_HOME", str(place))
    fused, plain = running.evaluations(place)[:2]
    return fused.record.id, plain.record.id


def test_fused_and_single_layers_of_the_same_nodes_are_one_row(inside: Cli, two: tuple[str, str]) -> None:
    done = inside("compare", *two, "--layers", "--format", "json")
    assert done.code == 0, done.err
    rows = done.json()["layers"]
    layers = [row for row in rows if row["nodes"] is not None]
    matched = [row for row in layers if row["first_layers"] and row["second_layers"] and row["nodes"]]
    assert {node for row in matched for node in row["model_nodes"].split()} == DIGITS
    assert any(len(row["second_layers"].split()) > len(row["first_layers"].split()) for row in matched)
    assert all(row["first_us"] > 0 and row["second_us"] > 0 and row["ratio"] > 0 for row in matched)
    assert [row["first_layer"].split(":")[0] for row in rows if row["nodes"] is None] == [
        "(allocation", "(dispatch", "(return",
    ]  # fmt: skip
    total = sum(row["first_share"] for row in rows if row["first_share"] is not None)
    assert total == pytest.approx(1, abs=0.02), "the layers and what lies between them are the call"
    lines = list(csv.DictReader(io.StringIO(inside("compare", *two, "--layers", "--format", "csv").out)))
    assert [line["first_layers"] or None for line in lines] == [row["first_layers"] for row in rows]
    text = inside("compare", *two, "--layers")
    assert "model's nodes, " in text.out
    assert "Note: one run a side" in text.out


def test_what_layers_cannot_tell_is_one_line(place: Path, inside: Cli, two: tuple[str, str]) -> None:
    assert inside("predict", "dataset", "--num-file-parts", "3").code == 0
    plain = running.evaluations(place)[-1].record.id
    assert "has no layers; measure it with --trace-level" in running.one_line(
        inside("compare", two[0], plain, "--layers"), 9
    )
    for flags in (("--pairs", "5"), ("--fail-if", "slower")):
        assert "--layers: " in running.one_line(inside("compare", *two, "--layers", *flags), 2)


def test_runs_repeated_in_turns_give_layers_an_interval(inside: Cli, two: tuple[str, str]) -> None:
    done = inside("compare", *two, "--layers", "--interleave", "2", "--format", "json")
    assert done.code == 0, done.err
    found = done.json()
    assert [len(found[side]["runs"]) for side in ("first", "second")] == [2, 2]
    assert all(row["ratio_low"] <= row["ratio"] <= row["ratio_high"] for row in found["layers"] if row["ratio"])


def test_figures_as_csv(inside: Cli, two: tuple[str, str]) -> None:
    rows = list(csv.DictReader(io.StringIO(inside("compare", *two, "--format", "csv").out)))
    assert {"p50", "mean"} <= {row["metric"] for row in rows}
    assert all(float(row["first"]) > 0 and float(row["ratio"]) > 0 for row in rows)


def test_explanations_of_layers_and_of_what_changed(place: Path, inside: Cli, two: tuple[str, str]) -> None:
    fused, plain = running.evaluations(place)[:2]
    work = read_work(plain)
    assert work is not None
    assert DIGITS >= set(work.nodes) >= {"conv1", "conv2", "dense"}
    assert any(entry.path == WORK_FILE for entry in fused.record.files)
    assert inside("info", "system", "--ceilings").code == 0
    done = inside("explain", two[1], "--against", two[0])
    assert done.code == 0, done.err
    assert "Finding  Of the time of the 6 layers Conv " in done.out
    assert "Finding  By its operations and bytes, the time of the layers is limited " in done.out
    assert "Change   What differs: graph_optimization_level all to disable." in done.out
    assert "fused differently" in done.out
    answer = inside("explain", two[1], "--against", two[0], "--format", "json").json()
    assert answer["against"] == two[0]
    assert len(answer["changes"]) >= 3
    assert "changes" not in inside("explain", two[1], "--format", "json").json()
