"""Layers: a profile's calls laid onto those that the samples tell of, and each layer summed up."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mlscope import stats
from mlscope.analyses.profiles._events import Event, Profile, Run
from mlscope.results import Layer, LayerSummary

__all__ = ["Layers", "ModelCalls", "layers_of", "summed_up"]

Times = np.ndarray[Any, np.dtype[np.int64]]

_MOST_ROWS = 200_000
_VOTES = 1000
_ODD_NS = 1_000_000
"""A profile's call that must be moved by more than this to lie in its own was timed by a clock that was set."""


@dataclasses.dataclass(frozen=True, slots=True)
class ModelCalls:
    """The calls of the model that were measured: shape [n] each, in the order of their begin."""

    number: Times
    begin_ns: Times
    end_ns: Times
    stream: Times

    def only(self, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> ModelCalls:
        """Those that are chosen, shape [n]."""
        return ModelCalls(self.number[chosen], self.begin_ns[chosen], self.end_ns[chosen], self.stream[chosen])


@dataclasses.dataclass(slots=True)
class Layers:
    """What a profile says of the measured calls."""

    rows: list[Layer]
    profiled_calls: int
    warnings: list[str]
    dispatches: list[Mapping[str, Any]] = dataclasses.field(default_factory=list)
    """Of each row: how its work was given to threads; nothing where the profiler does not tell."""


@dataclasses.dataclass(slots=True)
class _Known:
    """The layers of a model, numbered as they appear; one that comes twice in a call is two."""

    numbers: dict[tuple[str, str, int], int] = dataclasses.field(default_factory=dict)

    def index(self, event: Event, seen: dict[tuple[str, str], int]) -> int:
        again = seen.get((event.name, event.type), 0)
        seen[event.name, event.type] = again + 1
        return self.numbers.setdefault((event.name, event.type, again), len(self.numbers))


def layers_of(profile: Profile, calls: ModelCalls) -> Layers:
    """Lay a profile's layers into the measured calls; those of the warm-up are left out.

    A profiled call belongs to the measured one of its stream that it overlaps most. It is moved into it by the error of
    the two clocks, so that every layer lies inside its call.
    """
    rows: list[Layer] = []
    dispatches: list[Mapping[str, Any]] = []
    known, warnings = _Known(), list(profile.warnings)
    moved, used = 0, 0
    streams = _streams(profile.runs, calls)
    for run in profile.runs:
        place = _call_of(run, calls, streams.get(run.thread, run.stream))
        if place is None:
            continue
        if len(rows) >= _MOST_ROWS:
            warnings.append(f"layers of the first {used:,} calls are kept: more than {_MOST_ROWS:,} rows")
            break
        shift = _shift(run, int(calls.begin_ns[place]), int(calls.end_ns[place]))
        moved, used = max(moved, abs(shift)), used + 1
        span = int(calls.begin_ns[place]), int(calls.end_ns[place])
        shown = _laid_out(run, span) if run.mean_of else run
        rows += _rows(shown, int(calls.number[place]), span, shift, known)
        dispatches += [event.dispatch for event in _ordered(shown)]
    if moved > _ODD_NS:
        warnings.append(f"the profiler's clock went wrong by up to {moved / 1e6:.1f} ms against that of the samples")
    if profile.runs and not used:
        warnings.append("none of the calls that were profiled is one that was measured: there are no layers")
    if used and not rows:
        warnings.append(f"the profile of {profile.profiler} holds no layers of the calls that were measured")
    if profile.most_calls and 0 < used < len(calls.number):
        warnings.append(
            f"layers are known of the first {used:,} of {len(calls.number):,} calls: more would make a huge profile; "
            f"the call after them waited for it to be written"
        )
    return Layers(rows, used, warnings, dispatches)


def _streams(runs: Sequence[Run], calls: ModelCalls) -> dict[int, int]:
    """Thread → stream, where several streams share one session: the stream whose calls its own overlap most."""
    streams = np.unique(calls.stream).tolist()
    if len(streams) <= len({run.stream for run in runs}):
        return {}
    votes: dict[int, dict[int, int]] = {}
    for run in runs[:_VOTES]:
        for stream in streams:
            place = _call_of(run, calls, stream)
            if place is not None:
                counted = votes.setdefault(run.thread, {})
                counted[stream] = counted.get(stream, 0) + _shared(run, calls, place)
    return {thread: max(counted, key=lambda stream: counted[stream]) for thread, counted in votes.items()}


def _shared(run: Run, calls: ModelCalls, place: int) -> int:
    return min(run.end_ns, int(calls.end_ns[place])) - max(run.begin_ns, int(calls.begin_ns[place]))


def _call_of(run: Run, calls: ModelCalls, stream: int) -> int | None:
    """Place of the stream's measured call that a profiled one overlaps most."""
    if not len(calls.number):
        return None
    if run.mean_of:  # of no call in particular: one of the middle length shows it
        order = np.argsort(calls.end_ns - calls.begin_ns)
        return int(order[len(order) // 2])
    last = int(np.searchsorted(calls.begin_ns, run.end_ns, "left"))
    best, most = None, 0
    for place in range(max(0, last - 64), last):
        shared = _shared(run, calls, place)
        if calls.stream[place] == stream and shared > most:
            best, most = place, shared
    return best


def _shift(run: Run, begin: int, end: int) -> int:
    """How far a profiled call must be moved to lie in its measured one."""
    if run.mean_of:
        return 0
    if run.begin_ns < begin:
        return begin - run.begin_ns
    return min(0, max(end - run.end_ns, begin - run.begin_ns))


def _laid_out(run: Run, span: tuple[int, int]) -> Run:
    """Means of many calls, one after the other in one of them; shortened where they would not find room."""
    begin, end = span
    scale = min(1.0, (end - begin) / max(run.end_ns, 1))
    events = [
        dataclasses.replace(
            event,
            begin_ns=begin + int(event.begin_ns * scale),
            end_ns=begin + int(event.end_ns * scale),
            duration_ns=event.end_ns - event.begin_ns,
            synthetic=True,
        )
        for event in run.events
    ]
    return dataclasses.replace(run, begin_ns=begin, end_ns=end, events=events)


def _ordered(run: Run) -> list[Event]:
    """Whatever holds others comes before them."""
    return sorted(run.events, key=lambda event: (event.begin_ns, not event.holds_others))


def _rows(run: Run, call: int, span: tuple[int, int], shift: int, known: _Known) -> Iterable[Layer]:
    """A call's layers; nested ones know what they are part of. Slices are cut to their call."""
    seen: dict[tuple[str, str], int] = {}
    holders: list[tuple[int, int]] = []
    for event in _ordered(run):
        index = known.index(event, seen)
        while holders and event.begin_ns >= holders[-1][1]:
            holders.pop()
        yield Layer(
            call=call,
            index=index,
            name=event.name,
            type=event.type,
            begin_ns=min(max(event.begin_ns + shift, span[0]), span[1]),
            end_ns=min(max(event.end_ns + shift, span[0]), span[1]),
            duration_ns=event.end_ns - event.begin_ns if event.duration_ns is None else event.duration_ns,
            synthetic=event.synthetic,
            depth=len(holders),
            parent=holders[-1][0] if holders else None,
            thread=event.thread,
            input_shapes=event.input_shapes,
            output_shapes=event.output_shapes,
            allocated_bytes=event.allocated_bytes,
            nodes=event.nodes,
        )
        if event.holds_others:
            holders.append((index, event.end_ns))


def summed_up(rows: Sequence[Layer], mean_call_ns: float | None, calls: ModelCalls) -> list[LayerSummary]:
    """Each layer over its executions; a layer's share is of the time of the calls that it was seen in.

    Args:
        rows: Executions.
        mean_call_ns: The mean time of a call, where the executions are means themselves.
        calls: The measured calls.
    """
    by_index: dict[int, list[Layer]] = {}
    for row in rows:
        by_index.setdefault(row.index, []).append(row)
    profiled = {row.call for row in rows}
    inside = np.isin(calls.number, list(profiled))
    whole = float((calls.end_ns - calls.begin_ns)[inside].sum())
    return [
        _summary(rows, mean_call_ns * len(rows) if mean_call_ns else whole)
        for rows in (by_index[index] for index in sorted(by_index))
    ]


def _summary(rows: Sequence[Layer], whole_ns: float) -> LayerSummary:
    durations = sorted(row.duration_ns for row in rows)
    p25, median, p75 = np.percentile(durations, (25, 50, 75)).tolist()
    low, high = stats.percentile_with_interval(durations, 50)[1:] if not rows[0].synthetic else (None, None)
    first = rows[0]
    return LayerSummary(
        index=first.index,
        name=first.name,
        type=first.type,
        depth=first.depth,
        parent=first.parent,
        input_shapes=first.input_shapes,
        output_shapes=first.output_shapes,
        nodes=first.nodes,
        calls=len(rows),
        median_ns=median,
        trimmed_mean_ns=stats.trimmed_mean(durations),
        min_ns=durations[0],
        max_ns=durations[-1],
        share=sum(durations) / whole_ns if whole_ns else None,
        allocated_bytes=first.allocated_bytes,
        synthetic=first.synthetic,
        low_ns=low,
        high_ns=high,
        p25_ns=p25,
        p75_ns=p75,
    )
