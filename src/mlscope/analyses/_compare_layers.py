"""Two runs side by side by layer, matched by the model's nodes that the layers stand for.

Frameworks, and versions of one, cut a model differently: what one runs as a single layer is three of the other. So a
row holds as many layers of each side as it takes until both have the same nodes: the connected parts of the graph in
which layers are joined by the nodes they share.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence

from mlscope import stats
from mlscope.analyses._gaps import CallParts, call_parts
from mlscope.analyses._layer_runs import LAYER_LEVEL
from mlscope.analyses._sides import Side, check_comparable
from mlscope.errors import StoreError
from mlscope.results import LAYER_SUMMARY_FILE, Evaluation, LayerSummary, read_layer_summary

__all__ = ["LayerComparison", "LayerGroup", "LayerSide", "compare_layers", "stored_layers"]

_Key = tuple[str, str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class LayerSide:
    """What one side of a row is."""

    layers: tuple[LayerSummary, ...]
    """In the order of execution; none for a part of the call between the layers."""
    times_ns: tuple[float, ...]
    """Of each run: the sum of the layers' trimmed means."""
    share: float | None
    """Of the time of the calls, median of the runs."""
    nodes: tuple[str, ...] = ()

    @property
    def time_ns(self) -> float:
        """Median of the runs."""
        return statistics.median(self.times_ns)


@dataclasses.dataclass(frozen=True, slots=True)
class LayerGroup:
    """Layers of two sides that stand for the same nodes."""

    name: str
    """Of a part of the call that is no layer; empty otherwise."""
    first: LayerSide | None
    second: LayerSide | None
    ratio: stats.Ratio | None
    """Second over first; None where a side is missing or takes no time. Only several runs give an interval."""

    @property
    def difference_ns(self) -> float:
        """Second minus first; a layer that a side lacks takes no time there, a gap that is not known tells nothing."""
        if self.name and (self.first is None or self.second is None):
            return 0.0
        return (self.second.time_ns if self.second else 0.0) - (self.first.time_ns if self.first else 0.0)


@dataclasses.dataclass(frozen=True, slots=True)
class LayerComparison:
    """The second side as against the first."""

    first: Side
    second: Side
    groups: tuple[LayerGroup, ...]
    """In the order of execution of the first side; what lies between the layers comes last."""
    calls: tuple[tuple[CallParts, ...], tuple[CallParts, ...]]
    """Of the runs of each side."""
    notes: tuple[str, ...]
    """What every reader must know."""


def compare_layers(first: Side, second: Side) -> LayerComparison:
    """Set the layers of two sides against each other.

    Of an experiment with several trace levels the runs of ``FRAMEWORK_TRACE`` count. Layers that are part of others are
    not counted again. Layers that stand for no node (conversions that a framework adds), and all layers where a side
    tells no nodes, are matched by name and type.

    Raises:
        UsageError: The sides cannot be compared.
        StoreError: A side has no layers, or they are damaged.
    """
    first, second = (_traced(side) for side in (first, second))
    check_comparable(first, second)
    found = _Layers.of(first), _Layers.of(second)
    by_name = not all(side.knows_nodes for side in found)
    groups = [_group(pair, found) for pair in _components(*(side.labels(by_name) for side in found))]
    groups.sort(key=_Order(found))
    calls = tuple(tuple(filter(None, map(call_parts, side.runs))) for side in (first, second))
    return LayerComparison(
        first,
        second,
        (*groups, *_gap_groups(calls[0], calls[1])),
        (calls[0], calls[1]),
        tuple(_notes(first, second, found, groups, by_name)),
    )


def stored_layers(run: Evaluation) -> list[LayerSummary]:
    """A run's layers; none where it was not traced to them, or its profile could not be read.

    Raises:
        StoreError: The file is damaged.
    """
    if LAYER_SUMMARY_FILE not in {entry.path for entry in run.record.files}:
        return []
    with run.open(LAYER_SUMMARY_FILE) as file:
        return read_layer_summary(file)


def _traced(side: Side) -> Side:
    """The runs of a side that have layers; those that were traced no deeper, if there are any."""
    having = [run for run in side.runs if any(entry.path == LAYER_SUMMARY_FILE for entry in run.record.files)]
    if not having:
        hint = f"measure it with --trace-level {LAYER_LEVEL}; not every framework tells its layers (docs/tracing.md)"
        raise StoreError("has no layers", where=side.label, hint=hint)
    exact = [run for run in having if run.record.trace_level == LAYER_LEVEL]
    return Side(side.label, tuple(exact or having))


@dataclasses.dataclass(frozen=True, slots=True)
class _Layers:
    """The layers of all runs of a side; the first run that has one describes it."""

    layers: Mapping[_Key, LayerSummary]
    times_ns: Mapping[_Key, tuple[float, ...]]
    shares: Mapping[_Key, tuple[float | None, ...]]
    """Of each run, in their order; 0 where the run did not execute the layer."""

    @classmethod
    def of(cls, side: Side) -> _Layers:
        runs = [_by_key(stored_layers(run)) for run in side.runs]
        known: dict[_Key, LayerSummary] = {}
        for run in runs:
            for key, layer in run.items():
                known.setdefault(key, layer)
        return cls(
            known,
            {key: tuple(run[key].trimmed_mean_ns if key in run else 0.0 for run in runs) for key in known},
            {key: tuple(run[key].share if key in run else 0.0 for run in runs) for key in known},
        )

    @property
    def knows_nodes(self) -> bool:
        return any(layer.nodes for layer in self.layers.values())

    def labels(self, by_name: bool) -> Mapping[_Key, tuple[object, ...]]:
        """What each layer is matched by."""
        return {key: (key,) if by_name or not layer.nodes else layer.nodes for key, layer in self.layers.items()}

    def side(self, keys: Sequence[_Key]) -> LayerSide | None:
        """These layers together."""
        if not keys:
            return None
        ordered = sorted(keys, key=lambda key: self.layers[key].index)
        shares = [_sum(column) for column in zip(*(self.shares[key] for key in ordered), strict=True)]
        told = [share for share in shares if share is not None]
        return LayerSide(
            tuple(self.layers[key] for key in ordered),
            tuple(sum(column) for column in zip(*(self.times_ns[key] for key in ordered), strict=True)),
            statistics.median(told) if told else None,
            tuple(dict.fromkeys(node for key in ordered for node in self.layers[key].nodes)),
        )


def _by_key(layers: Iterable[LayerSummary]) -> dict[_Key, LayerSummary]:
    """The layers that are part of no other; those of equal names and types are told apart by their order."""
    found: dict[_Key, LayerSummary] = {}
    for layer in sorted(layers, key=lambda layer: layer.index):
        if layer.parent is None:
            again = 0
            while (layer.name, layer.type, again) in found:
                again += 1
            found[layer.name, layer.type, again] = layer
    return found


def _sum(values: Iterable[float | None]) -> float | None:
    total = 0.0
    for value in values:
        if value is None:
            return None
        total += value
    return total


def _components(
    first: Mapping[_Key, tuple[object, ...]], second: Mapping[_Key, tuple[object, ...]]
) -> list[tuple[list[_Key], list[_Key]]]:
    """Layers of both sides that share labels, directly or by way of others."""
    owners: dict[object, list[tuple[int, _Key]]] = {}
    labels = {(side, key): each for side, layers in enumerate((first, second)) for key, each in layers.items()}
    for layer, each in labels.items():
        for label in each:
            owners.setdefault(label, []).append(layer)
    found, seen = [], set[tuple[int, _Key]]()
    for begin in labels:
        if begin in seen:
            continue
        seen.add(begin)
        together: tuple[list[_Key], list[_Key]] = [], []
        waiting = [begin]
        while waiting:
            layer = waiting.pop()
            together[layer[0]].append(layer[1])
            near = {other for label in labels[layer] for other in owners[label]} - seen
            seen |= near
            waiting += near
        found.append(together)
    return found


def _group(keys: tuple[list[_Key], list[_Key]], found: tuple[_Layers, _Layers]) -> LayerGroup:
    one, two = (side.side(each) for side, each in zip(found, keys, strict=True))
    return LayerGroup("", one, two, _ratio(one, two))


def _ratio(one: LayerSide | None, two: LayerSide | None) -> stats.Ratio | None:
    """Second over first, with an interval where there is more than one run a side."""
    if one is None or two is None or min(one.times_ns) <= 0 or min(two.times_ns) <= 0:
        return None
    units = len(one.times_ns), len(two.times_ns)
    if sum(units) > 2:
        return stats.ratio_of_runs(one.times_ns, two.times_ns)
    return stats.Ratio(two.time_ns / one.time_ns, None, None, 1.0, "run", *units)


class _Order:
    """Where a row stands: at its place in the first side, or behind what comes before it in the second."""

    def __init__(self, found: tuple[_Layers, _Layers]) -> None:
        self._behind: dict[int, int] = {}
        """Index in the second side → the largest in the first side that it, or one before it, shares a node with."""
        by_node = {node: layer.index for layer in found[0].layers.values() for node in layer.nodes or (layer.name,)}
        latest = -1
        for layer in sorted(found[1].layers.values(), key=lambda layer: layer.index):
            latest = max([latest, *(by_node.get(node, -1) for node in layer.nodes or (layer.name,))])
            self._behind[layer.index] = latest

    def __call__(self, group: LayerGroup) -> tuple[int, int, int]:
        second = group.second.layers[0].index if group.second else -1
        if group.first:
            return group.first.layers[0].index, 0, second
        return self._behind[second], 1, second


def _gap_groups(first: Sequence[CallParts], second: Sequence[CallParts]) -> list[LayerGroup]:
    """The parts of a call between the layers; of a side whose layers were laid out they are not known."""
    groups = []
    names = dict.fromkeys(gap.name for parts in (*first, *second) for gap in parts.gaps)
    for name in names:
        one, two = _gap_side(first, name), _gap_side(second, name)
        groups.append(LayerGroup(name, one, two, _ratio(one, two)))
    return groups


def _gap_side(calls: Sequence[CallParts], name: str) -> LayerSide | None:
    gaps = [gap for parts in calls for gap in parts.gaps if gap.name == name]
    if not gaps or len(gaps) < len(calls):
        return None
    return LayerSide((), tuple(gap.trimmed_mean_ns for gap in gaps), statistics.median(gap.share for gap in gaps))


def _notes(
    first: Side, second: Side, found: tuple[_Layers, _Layers], groups: Sequence[LayerGroup], by_name: bool
) -> list[str]:
    notes = []
    if by_name:
        notes.append("a side does not tell which of the model's nodes its layers stand for: layers are matched by name")
    if not any(group.first and group.second for group in groups):
        notes.append(
            "no layer of A has a counterpart in B: the two were made from files whose nodes have different names; "
            "info evaluation layer-aggregate compares types"
        )
    notes += [
        f"the times of {name} are means that the framework tells, without starts: no gaps are known"
        for name, side in zip("AB", found, strict=True)
        if any(layer.synthetic for layer in side.layers.values())
    ]
    if len(first.runs) + len(second.runs) == 2:
        notes.append("one run a side: how much runs of the same plan differ is unknown; --interleave 5 repeats both")
    return [*notes, *_differences(first, second)]


def _differences(first: Side, second: Side) -> list[str]:
    """What else differs and has its part in the times."""
    one, two = first.records[0], second.records[0]
    pairs = (
        ("models", one.model_name, two.model_name),
        ("batch sizes", one.batch_size, two.batch_size),
        ("machines", one.system.hostname, two.system.hostname),
        ("processors", one.system.cpu_name, two.system.cpu_name),
    )
    notes = [f"the {what} differ: {before} and {after}" for what, before, after in pairs if before != after]
    deeper = [name for name, record in (("A", one), ("B", two)) if record.trace_level != LAYER_LEVEL]
    if deeper:
        notes.append(f"{' and '.join(deeper)} was traced deeper than {LAYER_LEVEL}, which takes time itself")
    return notes
