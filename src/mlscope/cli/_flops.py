"""``mlscope info flops``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mlscope.cli._declare import flag
from mlscope.cli._flags import Globals, OutputFlags
from mlscope.cli._observer import TerminalObserver
from mlscope.cli._reports import show_tables
from mlscope.cli._terminal import note
from mlscope.errors import UsageError

__all__ = ["flops"]

_OUTPUT = OutputFlags()
_GLOBALS = Globals()


def flops(
    model: Annotated[str, Parameter(name="MODEL", help="A model's name, a manifest's path, or an ONNX file.")],
    /,
    *,
    batch_size: Annotated[int, flag("Samples of one call.", "--batch-size", "-b", metavar="N")] = 1,
    output: OutputFlags = _OUTPUT,
    flags: Globals = _GLOBALS,
) -> None:
    """Count the operations of a model.

    From the shapes of its ONNX graph, node by node: multiply-adds of convolutions and matrix products; one operation an
    element of other nodes, two of a batch norm; FLOPs are two a multiply-add and one an element operation.
    """
    from mlscope.analyses import flops_table, flops_totals

    if batch_size < 1:
        raise UsageError("there is no such batch", where="--batch-size", hint="give 1 or more")
    table = flops_table(_file(model, flags), batch_size)
    show_tables([table], output)
    totals = flops_totals(table)
    sys.stdout.flush()
    note(
        f"{_large(totals['multiply_adds'])} multiply-adds of convolutions and matrix products; "
        f"{_large(totals['published_ops'])} with batch norms, activations and additions, as papers count; "
        f"{_large(totals['flops'])}FLOPs (two a multiply-add)"
    )
    if totals["nodes_unknown"]:
        note(f"{totals['nodes_unknown']} nodes are not counted: their shapes depend on the data")


def _large(count: int) -> str:
    return f"{count / 1e9:.4g} G" if count >= 1e8 else f"{count / 1e6:.4g} M"


def _file(model: str, flags: Globals) -> Path:
    from mlscope.conductor import model_graph

    if model.lower().endswith(".onnx"):
        if not Path(model).is_file():
            raise UsageError("there is no such file", where=model)
        return Path(model)
    with TerminalObserver(flags.verbose) as observer:
        return model_graph(model, observer, offline=flags.local)
