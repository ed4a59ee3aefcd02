"""Pictures of tables: PNG and SVG by matplotlib, or one HTML page with the picture and the table in it."""

from __future__ import annotations

import html
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlscope._files import explain_os_errors, write_atomic
from mlscope.analyses._table import BASE_NAMES, Column, Row, Table, is_equal
from mlscope.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["STYLE", "check_plot_path", "plot_sweep", "write_picture"]

_SUFFIXES = (".png", ".svg", ".html")
_PANELS = (
    ("throughput_samples_per_s", "throughput (samples/s)"),
    ("p50_ms", "median latency (ms)"),
    ("p99_ms", "99th percentile of latency (ms)"),
    ("top1_accuracy", "top-1 accuracy"),
)
_TICKS = 12
STYLE: Any = {
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "svg.hashsalt": "mlscope",
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar in a name is a dollar
}
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ font: 14px system-ui, sans-serif; margin: 2em; }}
svg {{ max-width: 100%; height: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: 0.2em 0.7em; text-align: right; border-bottom: 1px solid #ddd; }}
.text {{ text-align: left; }}
.INVALID {{ color: #b00; }}
dl {{ display: flex; flex-wrap: wrap; gap: 0.3em 1.5em; }}
dl div {{ display: flex; gap: 0.5em; }}
dt {{ color: #666; }}
dd {{ margin: 0; }}
</style>
<h1>{title}</h1>
{picture}
{table}
</html>
"""


def plot_sweep(table: Table, path: Path, title: str = "mlscope explore") -> None:
    """Draw a sweep: a panel for each quantity over the axis with the most values, a line for each of the others.

    Points that LoadGen calls INVALID are hollow.

    Args:
        table: As :func:`mlscope.analyses.sweep_table` gives it.
        path: Ends in ``.png``, ``.svg`` or ``.html``.
        title: Above it.

    Raises:
        UsageError: The path ends in something else, or there is nothing to draw.
        ResourceError: It cannot be written.
    """
    check_plot_path(path)
    axes = table.columns[: _axis_count(table)]
    panels = [(name, label) for name, label in _PANELS if any(row[name] is not None for row in table.rows)]
    if not panels:
        raise UsageError("there is nothing to plot: no point was measured", where=str(path))
    figure = _figure(table.rows, axes, panels, title)
    write_picture(figure, table, path, title)


def check_plot_path(path: Path) -> None:
    """Whether a plot can be written in the form that the file's name asks for.

    Raises:
        UsageError: The path ends in something else than ``.png``, ``.svg`` or ``.html``.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"a plot ends in {', '.join(_SUFFIXES)}", where=str(path))


def write_picture(figure: Figure, table: Table, path: Path, title: str) -> None:
    """Write a figure; as a page with what it was drawn from, where the path ends in ``.html``.

    Raises:
        ResourceError: It cannot be written.
    """
    with explain_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".html":
        page = _PAGE.format(title=html.escape(title), picture=_bytes(figure, "svg").decode(), table=_html(table))
        write_atomic(path, page)
    else:
        write_atomic(path, _bytes(figure, path.suffix[1:].lower()))


def _axis_count(table: Table) -> int:
    return next(number for number, column in enumerate(table.columns) if column.name == "runs")


def _figure(rows: Sequence[Row], axes: Sequence[Column], panels: Sequence[tuple[str, str]], title: str) -> Figure:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    along = max(axes, key=lambda axis: len({row[axis.name] for row in rows}))
    others = [axis for axis in axes if axis is not along]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 2.2 * len(panels) + 0.6), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title)
        for number, (name, label) in enumerate(panels):
            panel = figure.add_subplot(len(panels), 1, number + 1)
            _draw(panel, _series(rows, others), along.name, name)
            panel.set_ylabel(label)
            panel.set_ylim(bottom=0)
            places = {row[along.name] for row in rows}
            whole = [place for place in places if isinstance(place, int)]
            if len(whole) == len(places) <= _TICKS:
                panel.set_xticks(sorted(whole))
        panel.set_xlabel(along.title)
        if others:
            figure.axes[0].legend(fontsize="small")
    return figure


def _series(rows: Sequence[Row], others: Sequence[Column]) -> Mapping[str, list[Row]]:
    """Rows by the values of the axes that are not drawn along."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        label = ", ".join(f"{axis.title} {row[axis.name]}" for axis in others)
        found.setdefault(label, []).append(row)
    return found


def _draw(panel: Axes, series: Mapping[str, Sequence[Row]], along: str, name: str) -> None:
    for number, (label, rows) in enumerate(series.items()):
        shown = [row for row in rows if row[name] is not None]
        numeric = all(isinstance(row[along], int | float) for row in shown)
        places: list[Any] = [row[along] if numeric else str(row[along]) for row in shown]
        values: list[Any] = [row[name] for row in shown]
        color = f"C{number % 10}"
        panel.plot(places, values, color=color, label=label or None)
        for hollow in (False, True):
            chosen = [at for at, row in enumerate(shown) if (row["validity"] == "INVALID") is hollow]
            face = "white" if hollow else color
            panel.plot([places[at] for at in chosen], [values[at] for at in chosen], "o", mfc=face, mec=color)


def _bytes(figure: Figure, form: str) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format=form, dpi=150, metadata={"Date": None} if form == "svg" else None)
    text = out.getvalue()
    return text[text.index(b"<svg") :] if form == "svg" else text


def _html(table: Table) -> str:
    """The table; what all rows have in common of the run's own columns stands once above it."""
    columns = [
        column
        for column in table.columns
        if column.shown != "data" and any(row[column.name] is not None for row in table.rows)
    ]
    own = [column for column in columns if column.name in BASE_NAMES and len(table.rows) > 1]
    equal = [column for column in own if is_equal(column, table.rows)]
    columns = [column for column in columns if column not in equal]
    above = "".join(
        f"<div><dt>{html.escape(column.title)}<dd>{html.escape(_cell(table.rows[0][column.name]))}</div>"
        for column in equal
    )
    texts = {column.name for column in columns if any(isinstance(row[column.name], str) for row in table.rows)}
    marks = dict.fromkeys(texts, ' class="text"')
    head = "".join(f"<th{marks.get(column.name, '')}>{html.escape(_heading(column))}" for column in columns)
    rows = "".join(
        f'<tr class="{html.escape(str(row.get("validity")))}">'
        + "".join(f"<td{marks.get(column.name, '')}>{html.escape(_cell(row[column.name]))}" for column in columns)
        for row in table.rows
    )
    return (f"<dl>{above}</dl>" if above else "") + f"<table><tr>{head}{rows}</table>"


def _heading(column: Column) -> str:
    return f"{column.title} ({column.unit})" if column.unit else column.title


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{value:.4g}" if isinstance(value, float) else str(value)
