"""``mlscope info evaluation …`` on the command line: every report in every format, plots, hints."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from mlscope.analyses import ANALYSES
from mlscope.results import Evaluation, Span
from tests.analyses.test_kernels import kernel
from tests.analyses.test_roofline import NODES
from tests.analyses.traced import calls, kernels, layer, layers, sealed, series, spans, work
from tests.cli.conftest import Run

LAYERED: dict[str, Any] = {"trace_level": "FRAMEWORK_TRACE"}


@pytest.fixture
def runs(run: Run, home: Path) -> list[Evaluation]:
    """Two traced runs of one plan, and two batch sizes without a profiler."""
    found = layers(layer(0, 4, "conv", nodes=("conv", "relu")), layer(1, 2, "copy", "Copy"))
    trace = spans(Span("1", None, "predict dataset", 1, 0, 10))
    made = [sealed(home, found, trace, work(**NODES), calls([50]), **LAYERED) for _ in range(2)]
    made += [sealed(home, calls([10, 11]), series({"own_cores": 1.0})), sealed(home, calls([12], 2), batch_size=2)]
    assert run("store", "rebuild").code == 0
    return made


@pytest.mark.parametrize("name", ANALYSES)
def test_every_report_in_every_format(run: Run, runs: list[Evaluation], name: str, tmp_path: Path) -> None:
    for spelled in {name, name.replace("_", "-")}:
        found = run("info", "evaluation", spelled, "--format", "json", "--limit=-1")
        assert found.code == 0, found.err
        rows = found.json()
        as_csv = run("info", "evaluation", spelled, "--format", "csv")
        assert len(list(csv.DictReader(io.StringIO(as_csv.out)))) == len(rows)
        text = run("info", "evaluation", spelled)
        assert (text.code, "Traceback" in text.err) == (0, False)
    assert run("info", "evaluation", name, "-o", tmp_path / "report", "-f", "csv").code == 0
    assert (tmp_path / "report.csv").read_bytes().decode() == as_csv.out


@pytest.mark.parametrize("name", [*ANALYSES, "all"])
def test_a_filter_that_matches_nothing(run: Run, runs: list[Evaluation], name: str) -> None:
    done = run("info", "evaluation", name, "--model-name", "nobody")
    assert (done.code, done.out) == (0, "no evaluations\n" if name not in EMPTY else f"{EMPTY[name]}\n")
    assert "none of the 4 recorded evaluations has --model-name nobody" in done.err


EMPTY = {
    "layers": "no layers in these evaluations",
    "layer_tree": "no layers in these evaluations",
    "layer_aggregate": "no layers in these evaluations",
    "roofline": "no layers in these evaluations",
    "kernels": "no GPU kernels in this evaluation",
    "cuda_launch": "no GPU kernels in this evaluation",
    "eventflow": "no traces in these evaluations",
    "hardware": "no counters in these evaluations",
    "divergence": "no two evaluations with answers to the same samples",
}


@pytest.mark.parametrize("by", ["kernel", "name", "layer", "model"])
def test_without_a_gpu_there_are_no_kernels(run: Run, runs: list[Evaluation], by: str) -> None:
    for words in (("kernels", "--by", by), ("cuda_launch",), ("cuda-launch",), ("roofline", "--by", "kernel")):
        for form in ("table", "json", "csv"):
            done = run("info", "evaluation", *words, "--format", form)
            assert done.code == 0
            assert "no GPU kernels in this evaluation" in done.err


def test_the_originals_words_and_flags(run: Run, runs: list[Evaluation]) -> None:
    (row,) = run("info", "evaluation", "layer", "info", "--top_layers=1", "--format=json").json()
    assert (row["layer_name"], row["runs"]) == ("conv", 2)
    rows = run("evaluation", "layer", "info", "--list_runs", "--top_layers", "1", "--format=json").json()
    assert [row["runs"] for row in rows] == [1, 1]
    assert run("info", "evaluation", "gpu_kernel", "model_aggre_info").code == 0
    rows = run("info", "evaluation", "model", "throughput", "-f", "json").json()
    assert [row["batch_size"] for row in rows] == [1, 2]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_limit_loses_none(run: Run, runs: list[Evaluation], limit: int) -> None:
    rows = run("info", "evaluation", "accuracy", "--limit", str(limit), "-f", "json").json()
    assert [row["id"] for row in rows] == [each.record.id for each in runs[::-1]][:limit]


def test_plots(run: Run, runs: list[Evaluation], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("info", "evaluation", "layers", "--bar_plot", "--box_plot", "--plot_path", "layers.png", "-f", "json")
    assert (done.code, len(done.json())) == (0, 2)
    assert (tmp_path / "layers.png").read_bytes().startswith(b"\x89PNG")
    done = run("info", "evaluation", "layer_aggregate", "--pie-plot")
    assert "plot written to layer_aggregate.html" in done.err
    assert "<svg" in (tmp_path / "layer_aggregate.html").read_text()
    refused = run("info", "evaluation", "layers", "--pie-plot")
    assert (refused.code, refused.out) == (2, "")
    assert "layers has no pie plot" in refused.err
    nothing = run("info", "evaluation", "kernels", "--bar-plot")
    assert nothing.code == 0
    assert "nothing is drawn" in nothing.err


def test_hints(run: Run, runs: list[Evaluation], home: Path) -> None:
    left = run("info", "evaluation", "model")
    assert "2 of 4 evaluations are left out: FRAMEWORK_TRACE and deeper" in left.err
    none = run("info", "evaluation", "layers", "--batch-size", "2")
    assert "none of the 1 evaluations was traced to its layers; --trace-level FRAMEWORK_TRACE does it" in none.err
    single = run("info", "evaluation", "throughput", "--batch-size", "2")
    assert "one batch size alone has no best one" in single.err
    every = run("info", "evaluation", "all")
    assert "nothing is known for cuda_launch, kernels" in every.err
    assert "layer_tree\n" in every.out
    sealed(home, layers(layer(0, 4)), plan_id="d" * 16, model_name="deep", trace_level="FULL_TRACE")
    run("store", "rebuild")
    assert "traced deeper" in run("info", "evaluation", "layers", "--model-name", "deep").err


def test_kernels_of_a_gpu(run: Run, home: Path) -> None:
    gpu: dict[str, Any] = {"trace_level": "SYSTEM_LIBRARY_TRACE", "using_gpu": True}
    sealed(home, kernels(kernel(0, 0, "a", 10, 4), kernel(0, 1, "b", 20, 4), kernel(0, 1, "b", 30, 4)), **gpu)
    run("store", "rebuild")
    report = ("info", "evaluation", "kernels", "-f", "json")
    assert [row["kernel_count"] for row in run(*report, "--by", "name").json()] == [2, 1]
    assert [row["kernel_name"] for row in run(*report, "--kernel_names", "a").json()] == ["a"]
    assert len(run(*report, "--top_kernels=2").json()) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("kernels --by layr", "layer"),
        ("layers --top-layers 0", "there are no 0 longest ones"),
        ("divergence --tolerance -1", "not negative"),
        ("divergence --target 0198f0c2", "--source ID"),
        ("divergence --source 0198f0c2", "0198f0c2"),
        ("layers --plot-path plot.pdf", ".png, .svg, .html"),
    ],
)
def test_flags_that_make_no_sense(run: Run, runs: list[Evaluation], words: str, said: str) -> None:
    done = run("info", "evaluation", *words.split())
    assert done.code in (2, 9)
    assert (done.out, len(done.err.splitlines())) == ("", 1)
    assert said in done.err
