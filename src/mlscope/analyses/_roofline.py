"""Roofline: what limits each layer, each GPU kernel or the whole model (XSP's analyses 9, 14 and 15).

Williams, Waterman and Patterson, Communications of the ACM 52(4), 2009: no more operations a second can be done than
the arithmetic allows, nor than the memory's bandwidth times the operations a byte.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from mlscope.analyses._kernel_runs import NO_KERNELS, gpu_ceilings, kernel_runs, kernels_of
from mlscope.analyses._layer_runs import NO_LAYERS, layer_runs, layers_of
from mlscope.analyses._layer_work import ModelWork, Work, read_work
from mlscope.analyses._model import call_times_of
from mlscope.analyses._runs import Runs, View, plan_of, plans, setting, undisturbed
from mlscope.analyses._table import Column, Row, Table, build
from mlscope.errors import StoreError
from mlscope.results import Evaluation

__all__ = ["ROOFLINE_BY", "roofline"]

COLUMNS = (
    Column("index", "index"),
    Column("name", "name"),
    Column("type", "type"),
    Column("duration_us", "duration", "us"),
    Column("flops", "FLOPs"),
    Column("bytes", "moved", "B"),
    Column("intensity_flops_per_byte", "FLOPs/byte"),
    Column("gflops_per_s", "rate", "GFLOP/s"),
    Column("ceiling_gflops_per_s", "ceiling", "GFLOP/s"),
    Column("share_of_ceiling", "of ceiling", "fraction"),
    Column("bound", "bound by"),
    Column("peak_gflops_per_s", "peak", "GFLOP/s", "data"),
    Column("memory_gigabytes_per_s", "bandwidth", "GB/s", "data"),
    Column("ideal_intensity_flops_per_byte", "ideal FLOPs/byte", shown="data"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Roof:
    gflops: float
    gigabytes_per_s: float

    @property
    def ideal(self) -> float:
        """Operations a byte from which the arithmetic is the limit."""
        return self.gflops / self.gigabytes_per_s


def roofline(evaluations: Sequence[Evaluation], view: View) -> Table:
    """A row for each layer, for each GPU kernel, or for the model of each plan, as ``view.by`` asks.

    Operations and bytes of layers are counted in the ONNX graph when a run is traced to them, those of kernels were
    measured. A model's are those of its layers, from runs of the same setting, and its time is that of runs without a
    profiler.
    """
    return ROOFLINE_BY[view.by or "layer"](evaluations, view)


def _layers(evaluations: Sequence[Evaluation], view: View) -> Table:
    def rows(runs: Runs) -> Iterable[Row]:
        work, roof = _work(runs), _roof(runs, view)
        found = [layer for layer in layers_of(runs)[0] if layer.parent is None]
        if view.top is not None:
            found = sorted(found, key=lambda layer: -layer.trimmed_mean_ns)[: view.top]
        for layer in found:
            what = {"index": layer.index, "name": layer.name, "type": layer.type}
            yield what | _place(layer.trimmed_mean_ns, work.of_layer(layer.nodes) if work else None, roof)

    return build("roofline", COLUMNS, layer_runs(evaluations, view), rows, empty=NO_LAYERS)


def _kernels(evaluations: Sequence[Evaluation], view: View) -> Table:
    def rows(runs: Runs) -> Iterable[Row]:
        ceilings = gpu_ceilings(runs.record)
        found = kernels_of(runs)
        if view.top is not None:
            found = sorted(found, key=lambda kernel: -kernel.work.duration_ns)[: view.top]
        for kernel in found:
            done = kernel.work
            work = None
            if done.flops is not None and done.read_bytes is not None and done.write_bytes is not None:
                work = Work(round(done.flops), round(done.read_bytes + done.write_bytes))
            what = {"index": kernel.layer_index, "name": kernel.name, "type": kernel.layer_type or None}
            yield what | _place(done.duration_ns, work, _Roof(*ceilings) if ceilings else None)

    return build("roofline", COLUMNS, kernel_runs(evaluations, view), rows, empty=NO_KERNELS)


def _models(evaluations: Sequence[Evaluation], view: View) -> Table:
    layered = {setting(runs.each[0], batch=True): runs for runs in layer_runs(evaluations, View())}

    def rows(runs: Runs) -> Iterable[Row]:
        times = call_times_of(runs.each)
        if times is not None:
            alike = layered.get(setting(runs.each[0], batch=True))
            work = _of_all_layers(alike) if alike else None
            yield {"name": runs.record.model_name} | _place(times.trimmed, work, _roof(runs, view))

    return build("roofline", COLUMNS, plans(undisturbed(evaluations), view), rows)


def _of_all_layers(runs: Runs) -> Work | None:
    """The sum over layers; those that the framework added, which stand for no node, are left out."""
    work = _work(runs)
    if work is None:
        return None
    own = [layer for layer in layers_of(runs)[0] if layer.parent is None and layer.nodes]
    each = [work.of_layer(layer.nodes) for layer in own]
    known = [done for done in each if done is not None]
    if not known or len(known) < len(each):
        return None
    return Work(sum(done.flops for done in known), sum(done.bytes for done in known))


def _work(runs: Runs) -> ModelWork | None:
    """What the model's nodes compute and move; None where no run tells."""
    for run in runs.each:
        try:
            found = read_work(run)
        except StoreError:
            continue
        if found is not None:
            return found
    return None


def _place(duration_ns: float, work: Work | None, roof: _Roof | None) -> Row:
    """Where something lies under its roof."""
    row: Row = {"duration_us": duration_ns / 1e3}
    if roof is not None:
        row |= {
            "peak_gflops_per_s": roof.gflops,
            "memory_gigabytes_per_s": roof.gigabytes_per_s,
            "ideal_intensity_flops_per_byte": roof.ideal,
        }
    if work is None:
        return row
    rate = work.flops / duration_ns if duration_ns > 0 else None
    intensity = work.intensity
    row |= {"flops": work.flops, "bytes": work.bytes, "gflops_per_s": rate, "intensity_flops_per_byte": intensity}
    if roof is not None and intensity is not None:
        ceiling = min(roof.gflops, intensity * roof.gigabytes_per_s)
        row |= {
            "ceiling_gflops_per_s": ceiling,
            "share_of_ceiling": rate / ceiling if rate is not None and ceiling else None,
            "bound": "memory" if intensity < roof.ideal else "compute",
        }
    return row


def _roof(runs: Runs, view: View) -> _Roof | None:
    """The GPU's ceilings; or the machine's, with one thread where the model had one, else with all."""
    if runs.record.using_gpu:
        gpu = gpu_ceilings(runs.record)
        return _Roof(*gpu) if gpu else None
    found = view.ceilings_of(runs.record)
    if found is None:
        return None
    execution = plan_of(runs.each[0]).get("execution") or {}
    threads = int(execution.get("threads") or 1) * int(execution.get("streams") or 1)
    which = "one_thread" if threads == 1 else "all_threads"
    return _Roof(float(found[f"gflops_{which}"]), float(found[f"gigabytes_per_s_{which}"]))


ROOFLINE_BY = {"layer": _layers, "kernel": _kernels, "model": _models}
"""What a row can be of."""
