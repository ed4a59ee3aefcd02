"""Pictures of reports: that they are drawn, what is in them, and when they are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mlscope.analyses import ANALYSES, Kind, View, plot
from mlscope.analyses import run as analyse
from mlscope.errors import UsageError
from mlscope.results import Evaluation
from tests.analyses.test_kernels import kernel, measured
from tests.analyses.test_roofline import NODES, known
from tests.analyses.traced import calls, kernels, layer, layers, sealed, series, work

CHARTS = [(name, kind) for name, analysis in ANALYSES.items() for kind in analysis.kinds]


@pytest.fixture
def evaluations(home: Path) -> list[Evaluation]:
    """Something for every analysis to draw."""
    counted = series({"own_cores": 1.0, "memory_bytes": 5}, {"own_cores": 2.0, "memory_bytes": 7})
    found = [layer(0, 4, nodes=("conv", "relu")), layer(1, 2, kind="Relu", nodes=("copy",))]
    return [
        sealed(home, layers(*found), work(**NODES), trace_level="FRAMEWORK_TRACE"),
        sealed(home, calls([10, 11]), counted),
        sealed(home, calls([10, 11], rows=2), batch_size=2, plan_id="2" * 16),
        sealed(home, kernels(kernel(0, 0, "a", 10, 4, **measured())), trace_level="SYSTEM_LIBRARY_TRACE"),
    ]


@pytest.mark.parametrize(("name", "kind"), CHARTS)
def test_every_chart_is_drawn(evaluations: list[Evaluation], tmp_path: Path, name: str, kind: Kind) -> None:
    (table,) = analyse(name, evaluations, View(ceilings_of=known))
    plot(name, table, [kind], tmp_path / "new" / "plot.png")
    with Image.open(tmp_path / "new" / "plot.png") as file:
        picture = file.convert("L")
    assert picture.width > 600
    darkest, lightest = (int(str(value)) for value in picture.getextrema())
    assert (darkest < 60, lightest) == (True, 255)


def test_a_page_holds_picture_and_table(evaluations: list[Evaluation], tmp_path: Path) -> None:
    (table,) = analyse("layers", evaluations)
    assert plot("layers", table, [], tmp_path / "layers.html") == []
    page = (tmp_path / "layers.html").read_text()
    assert "<svg" in page
    assert "layer0" in page
    assert '<td class="text">Relu' in page
    assert page.count(str(table.rows[0]["id"])) == 1  # what all rows have in common stands once
    assert not any(word in page for word in ("<link", "<script", "src=", "@import"))


def test_names_from_records_cannot_break_a_page(home: Path, tmp_path: Path) -> None:
    evil = sealed(
        home, layers(layer(0, 4, "<script>x</script>")), trace_level="FRAMEWORK_TRACE", model_name=r"<b>$\frac{$"
    )
    (table,) = analyse("layers", [evil])
    plot("layers", table, ["bar", "box"], tmp_path / "layers.html")
    page = (tmp_path / "layers.html").read_text()
    assert "<script>" not in page
    assert "<b>" not in page


@pytest.mark.parametrize("count", [1, 40, 41, 300])
def test_many_layers_find_room(home: Path, tmp_path: Path, count: int) -> None:
    run = sealed(home, layers(*(layer(at, 1 + at % 7) for at in range(count))), trace_level="FRAMEWORK_TRACE")
    (table,) = analyse("layers", [run])
    plot("layers", table, ["bar", "box"], tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as picture:
        assert picture.height < 4000


def test_of_many_evaluations_the_newest_are_drawn_and_that_is_said(home: Path, tmp_path: Path) -> None:
    runs = [sealed(home, layers(layer(0, 1)), trace_level="FRAMEWORK_TRACE") for _ in range(6)]
    (table,) = analyse("layers", runs, View(list_runs=True))
    assert plot("layers", table, [], tmp_path / "plot.svg") == ["the plot shows the first 4 of 6 evaluations"]


def test_what_cannot_be_drawn_is_refused(evaluations: list[Evaluation], tmp_path: Path) -> None:
    (table,) = analyse("layers", evaluations)
    with pytest.raises(UsageError, match=r"layers has no pie plot; it has bar and box plots"):
        plot("layers", table, ["pie"], tmp_path / "plot.png")
    with pytest.raises(UsageError, match=r"plot ends in \.png, \.svg, \.html"):
        plot("layers", table, [], tmp_path / "plot.pdf")
    (table,) = analyse("memory", evaluations[:1])
    with pytest.raises(UsageError, match="nothing to draw"):
        plot("memory", table, [], tmp_path / "plot.png")
    with pytest.raises(UsageError, match="accuracy has no bar plot; it has no plots"):
        plot("accuracy", analyse("accuracy", evaluations)[0], ["bar"], tmp_path / "plot.png")
    assert not list(tmp_path.glob("plot*"))
