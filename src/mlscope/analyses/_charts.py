"""Charts of analyses: bars, boxes, pies, courses over time and rooflines, a panel for each quantity."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlscope.analyses._plot import STYLE, check_plot_path, write_picture
from mlscope.analyses._table import Row, Table
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Chart", "Kind", "draw"]

Kind = Literal["bar", "box", "pie", "line", "roofline"]

_NAMED = 40
"""So many bars can carry names; more are drawn side by side over their index."""
_MOST_GROUPS = 4
"""Evaluations that are drawn, each on its own."""
_NARROW = 0.02
"""A slice of a pie that is narrower joins the others."""
_SLICES = 9
_NAME_LETTERS = 36
_LABELLED = 6
"""Points of a roofline that carry names: those that take longest."""
_FEW = 30
"""Fewer readings are marked, each."""
_GRAY = "0.55"
_GROUP_NAMES = ("model_name", "framework_name", "framework_version", "batch_size")
_FORMATS = {"batch_size": "batch {}", "counter_unit": "({})"}
"""How some cells are written in names."""


@dataclasses.dataclass(frozen=True, slots=True)
class Chart:
    """One panel.

    Attributes:
        kind: Of the picture.
        columns: What is drawn: of bars one column, or several stacked; of boxes smallest, lower quartile, median,
            upper quartile, largest; of pies one; of lines the texts of times and values.
        title: Of the panel, with the unit.
        label: Columns that name a bar, slice or line.
        together: Whether rows of all evaluations share a panel.
        scale: What values are divided by.
        names: Of stacked bars, each one's.
    """

    kind: Kind
    columns: tuple[str, ...]
    title: str
    label: tuple[str, ...] = ()
    together: bool = False
    scale: float = 1.0
    names: tuple[str, ...] = ()

    def known(self, rows: Sequence[Row]) -> list[Row]:
        """Rows that have everything that is drawn."""
        return [row for row in rows if all(row.get(name) is not None for name in self.columns)]


@dataclasses.dataclass(frozen=True, slots=True)
class _Panel:
    chart: Chart
    rows: Sequence[Row]
    title: str


def draw(table: Table, charts: Sequence[Chart], path: Path, title: str) -> list[str]:
    """Draw charts of a table into a file.

    Args:
        table: What an analysis gave.
        charts: A panel for each, and for each evaluation where they do not share one.
        path: Ends in ``.png``, ``.svg`` or ``.html``.
        title: Above all.

    Returns:
        What a user must know: that not everything is drawn.

    Raises:
        UsageError: The path ends in something else, or there is nothing to draw.
        ResourceError: It cannot be written.
    """
    check_plot_path(path)
    groups: dict[object, list[Row]] = {}
    for row in table.rows:
        groups.setdefault(row["id"], []).append(row)
    drawn = list(groups.values())[:_MOST_GROUPS]
    panels = _panels(charts, drawn, [row for rows in groups.values() for row in rows])
    if not panels:
        raise UsageError("there is nothing to draw", where=str(path), hint="the table holds no such quantity")
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        pies = all(panel.chart.kind == "pie" for panel in panels)
        across = len({panel.chart for panel in panels}) if pies else 1
        down = -(-len(panels) // across)
        heights = [max(_height(panel) for panel in panels[at * across : (at + 1) * across]) for at in range(down)]
        figure = Figure(figsize=(max(8.0, 4.4 * across), sum(heights) + 0.5), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=11)
        grid = figure.add_gridspec(down, across, height_ratios=heights)
        for at, panel in enumerate(panels):
            axes = figure.add_subplot(grid[at // across, at % across])
            _DRAWN[panel.chart.kind](axes, panel.chart, panel.rows)
            axes.set_title(panel.title, fontsize=9, loc="left")
    write_picture(figure, table, path, title)
    left = len(groups) - len(drawn)
    apart = any(not panel.chart.together for panel in panels)
    return [f"the plot shows the first {len(drawn)} of {len(groups)} evaluations"] if left and apart else []


def _panels(charts: Sequence[Chart], groups: Sequence[Sequence[Row]], everything: Sequence[Row]) -> list[_Panel]:
    panels = []
    for chart in charts:
        if chart.together and (known := chart.known(everything)):
            panels.append(_Panel(chart, known, chart.title))
    differing = [name for name in _GROUP_NAMES if len({rows[0][name] for rows in groups}) > 1]
    for rows in groups:
        parts = [_FORMATS.get(name, "{}").format(rows[0][name]) for name in differing]
        whose = f"{', '.join((*parts, str(rows[0]['id'])[:12]))}: " if len(groups) > 1 else ""
        for chart in charts:
            known = [] if chart.together else chart.known(rows)
            if chart.kind == "line":
                panels += [_Panel(chart, [row], f"{whose}{_name(row, chart)} {chart.title}".rstrip()) for row in known]
            elif known:
                panels.append(_Panel(chart, known, f"{whose}{chart.title}"))
    return panels


def _height(panel: _Panel) -> float:
    """Inches."""
    count = len(panel.rows)
    match panel.chart.kind:
        case "bar" | "box":
            return max(1.6, 0.55 + 0.19 * count) if count <= _NAMED else 2.8
        case "line":
            return 1.25
        case "pie":
            return 3.4
    return 5.0


def _name(row: Row, chart: Chart, shown: Sequence[str] | None = None) -> str:
    columns = [name for name in chart.label if row.get(name) is not None and (shown is None or name in shown)]
    text = " ".join(_FORMATS.get(name, "{}").format(row[name]) for name in columns)
    return text if len(text) <= _NAME_LETTERS else f"{text[: _NAME_LETTERS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def _numbers(rows: Sequence[Row], name: str, chart: Chart) -> list[float]:
    return [float(str(row[name])) / chart.scale for row in rows]


def _bars(axes: Axes, chart: Chart, rows: Sequence[Row]) -> None:
    places = list(range(len(rows)))
    named = len(rows) <= _NAMED
    reached = [0.0] * len(rows)
    for number, column in enumerate(chart.columns):
        values = _numbers(rows, column, chart)
        color = f"C{number}"
        label = chart.names[number] if chart.names else None
        colors = ["C1" if row.get("optimal") is True else color for row in rows]
        if named:
            axes.barh(places, values, left=reached, color=colors, label=label)
        else:
            axes.bar(places, values, bottom=reached, color=color, label=label, width=1.0)
        reached = [before + value for before, value in zip(reached, values, strict=True)]
    _axis(axes, chart, rows, named)
    if chart.names:
        axes.legend(fontsize="small")
    if named:
        for place, value in zip(places, reached, strict=True):
            axes.annotate(f" {_short(value)}", (value, place), va="center", fontsize=7)
        axes.margins(x=0.1)
        axes.set_xlim(left=0)


def _boxes(axes: Axes, chart: Chart, rows: Sequence[Row]) -> None:
    places = list(range(len(rows)))
    low, lower, median, upper, high = (_numbers(rows, name, chart) for name in chart.columns)
    heights = [top - bottom for bottom, top in zip(lower, upper, strict=True)]
    named = len(rows) <= _NAMED
    if named:
        axes.hlines(places, low, high, color=_GRAY, linewidth=1)
        axes.barh(places, heights, left=lower, height=0.6, color="C0", alpha=0.7)
        axes.plot(median, places, "|", color="black", markersize=7)
    else:
        axes.vlines(places, low, high, color=_GRAY, linewidth=0.7)
        axes.bar(places, heights, bottom=lower, width=0.8, color="C0", alpha=0.7)
        axes.plot(places, median, "_", color="black", markersize=3)
    _axis(axes, chart, rows, named)
    (axes.set_xlim if named else axes.set_ylim)(0)


def _axis(axes: Axes, chart: Chart, rows: Sequence[Row], named: bool) -> None:
    """Names beside the bars; or where they are too many, the number of each below."""
    if named:
        # What is equal in all rows names none of them.
        telling = [name for name in chart.label if len({str(row.get(name)) for row in rows}) > 1] or chart.label
        axes.set_yticks(range(len(rows)), [_name(row, chart, telling) for row in rows], fontsize=7)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
    else:
        axes.set_xlim(-0.5, len(rows) - 0.5)
        axes.set_xlabel("number")
        axes.grid(visible=False, axis="x")


def _pie(axes: Axes, chart: Chart, rows: Sequence[Row]) -> None:
    values = _numbers(rows, chart.columns[0], chart)
    whole = sum(values) or 1.0
    # A row has the same colour in every pie.
    slices = [
        (value, _name(row, chart), f"C{at % 10}") for at, (value, row) in enumerate(zip(values, rows, strict=True))
    ]
    slices.sort(reverse=True)
    kept = [each for each in slices if each[0] > _NARROW * whole][:_SLICES]
    rest = slices[len(kept) :]
    if len(rest) == 1:
        kept += rest
    elif rest:
        kept.append((sum(value for value, _, _ in rest), f"{len(rest)} others", _GRAY))
    labels = [f"{name}  {100 * value / whole:.1f} %" for value, name, _ in kept]
    sizes, colors = [value for value, _, _ in kept], [color for _, _, color in kept]
    wedges = axes.pie(sizes, colors=colors, startangle=90, counterclock=False)[0]
    axes.legend(wedges, labels, loc="center left", bbox_to_anchor=(0.95, 0.5), fontsize=7, frameon=False)


def _course(axes: Axes, chart: Chart, rows: Sequence[Row]) -> None:
    (row,) = rows
    times, values = ([float(each) for each in str(row[name]).split()] for name in chart.columns)
    scaled = [value / chart.scale for value in values]
    axes.plot([time / 1e3 for time in times], scaled, linewidth=1, marker="." if len(scaled) < _FEW else None)
    low, high = min(0.0, *scaled), max(0.0, *scaled)
    room = 0.08 * (high - low) or 1.0
    axes.set_ylim(low - room, high + room)
    axes.set_xlabel("seconds", fontsize=7)
    axes.tick_params(labelsize=7)


def _roofline(axes: Axes, chart: Chart, rows: Sequence[Row]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    across, up = (_numbers(rows, name, chart) for name in chart.columns)
    good = [at for at in range(len(rows)) if across[at] > 0 and up[at] > 0]
    axes.set(xscale="log", yscale="log", xlabel="FLOPs a byte", ylabel="GFLOP/s")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    times = [float(str(row["duration_us"])) for row in rows]
    whole = sum(times) or 1.0
    sizes = [20 + 600 * times[at] / whole for at in good]
    axes.scatter([across[at] for at in good], [up[at] for at in good], s=sizes, alpha=0.6, color="C0", linewidths=0)
    for at in sorted(good, key=lambda at: -times[at])[:_LABELLED]:
        reach = 3 + (20 + 600 * times[at] / whole) ** 0.5 / 2
        place, offset = (across[at], up[at]), (reach, -2)
        axes.annotate(_name(rows[at], chart), place, fontsize=7, xytext=offset, textcoords="offset points")
    places = [across[at] for at in good] or [1.0]
    for peak, bandwidth in {(row["peak_gflops_per_s"], row["memory_gigabytes_per_s"]) for row in rows}:
        if isinstance(peak, float) and isinstance(bandwidth, float):
            ridge = peak / bandwidth
            xs = [min(0.5 * min(places), 0.1 * ridge), ridge, max(2 * max(places), 10 * ridge)]
            label = f"{peak:.4g} GFLOP/s, {bandwidth:.4g} GB/s"
            axes.plot(xs, [min(peak, x * bandwidth) for x in xs], color="black", linewidth=1, label=label)
            axes.axvline(ridge, color=_GRAY, linewidth=0.7, linestyle=":")
            axes.legend(fontsize="small", loc="upper left")


_DRAWN: dict[Kind, Callable[[Any, Chart, Sequence[Row]], None]] = {
    "bar": _bars,
    "box": _boxes,
    "pie": _pie,
    "line": _course,
    "roofline": _roofline,
}
