"""Profiles of TensorFlow and JAX, which have one profiler (`_xspace`) and name their events differently.

TensorFlow's executor calls an event ``name:operator``. XLA's steps have the name of an instruction of the program that
was compiled, and the module's; the program says what each instruction is and which of JAX's operations it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlscope.analyses.profiles._events import BrokenProfile, Clock, Event, Profile, called
from mlscope.analyses.profiles._xspace import HostEvent, read_host

__all__ = ["parse_jax", "parse_tensorflow"]

_FILE = "host.xplane.pb"
_THREADS = 1 << 31
"""Ids of threads are hashes of 64 bits; this much of them tells threads apart."""
_OPERATOR = re.compile(r"([\w./>-]+):(_?[A-Z]\w*)")
_SILENT = frozenset(("_Arg", "_Retval", "Const", "Placeholder", "NoOp"))
"""What the executor only looks at."""
_HOLDERS = frozenset(
    ("PartitionedCall", "StatefulPartitionedCall", "While", "StatelessWhile", "If", "StatelessIf", "Case")
)
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.-]+) = (.*?) ([a-z][\w-]*)\(")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.-]+) .*\{$")
_ORIGIN = re.compile(r'op_name="([^"]*)"')
_CALLS = re.compile(r"(?:calls|to_apply)=%?([\w.-]+)")
_CALLED = frozenset(("while", "call", "conditional"))
_HEAVY = ("convolution", "dot", "custom-call", "reduce", "reduce-window", "sort", "scatter", "gather")
"""What a fusion is named after, the first that it holds."""


def parse_tensorflow(folder: Path, notes: Mapping[str, Any], model: Path | None) -> Profile:
    """Read the profile of a worker; see :func:`mlscope.analyses.profiles.read_profile`."""
    return _parse("tensorflow", folder, notes, filter(None, map(_operator, read_host(folder / _FILE))))


def parse_jax(folder: Path, notes: Mapping[str, Any], model: Path | None) -> Profile:
    """Read the profile of a worker; see :func:`mlscope.analyses.profiles.read_profile`."""
    try:
        program = _Program((folder / "program.txt").read_text(encoding="utf-8"))
    except OSError as error:
        raise BrokenProfile("program.txt is missing; the worker ended before it was written") from error
    return _parse("jax", folder, notes, filter(None, map(program.step, read_host(folder / _FILE))))


def _parse(profiler: str, folder: Path, notes: Mapping[str, Any], events: Iterable[Event]) -> Profile:
    clock = Clock(notes["pairs"])
    found = list(events)
    for event in found:
        event.begin_ns, event.end_ns = clock.run_ns(event.begin_ns), clock.run_ns(event.end_ns)
    profile = Profile(profiler, called(notes, found), most_calls=notes.get("most_calls"))
    if clock.jumped:
        profile.warnings.append("the system's clock was set during the run: layers may lie in the wrong calls")
    return profile


def _operator(event: HostEvent) -> Event | None:
    """An operator that the executor ran."""
    found = _OPERATOR.fullmatch(event.name)
    if found is None or found[2] in _SILENT:
        return None
    return Event(
        name=found[1],
        type=found[2],
        begin_ns=event.begin_ns,
        end_ns=event.end_ns,
        thread=event.thread % _THREADS,
        holds_others=found[2] in _HOLDERS,
        nodes=(found[1],),
    )


class _Program:
    """What XLA made of a model: its text, https://openxla.org/xla/hlo_dumps."""

    def __init__(self, text: str) -> None:
        self._steps: dict[str, tuple[str, str, tuple[str, ...]]] = {}
        origins: dict[str, list[str]] = {}
        kinds: dict[str, set[str]] = {}
        calls: dict[str, str] = {}
        computation = ""
        for line in text.splitlines():
            if found := _COMPUTATION.match(line):
                computation = found[1]
            elif found := _INSTRUCTION.match(line):
                origin = _ORIGIN.search(line)
                kinds.setdefault(computation, set()).add(found[3])
                self._steps[found[1]] = found[3], found[2].partition("{")[0], (origin[1],) if origin else ()
                if origin:
                    origins.setdefault(computation, []).append(origin[1])
                if inner := _CALLS.search(line):
                    calls[found[1]] = inner[1]
        for name, inside in calls.items():
            kind, shape, own = self._steps[name]
            heavy = next((each for each in _HEAVY if each in kinds.get(inside, ())), None)
            kind = f"{kind} of {heavy}" if heavy and kind == "fusion" else kind
            self._steps[name] = kind, shape, tuple(dict.fromkeys([*origins.get(inside, ()), *own]))

    def step(self, event: HostEvent) -> Event | None:
        """A step of the program."""
        name = event.stats.get("hlo_op")
        if not name:
            return None
        kind, shape, nodes = self._steps.get(str(name), ("", "", ()))
        return Event(
            name=str(name),
            type=kind,
            begin_ns=event.begin_ns,
            end_ns=event.end_ns,
            thread=event.thread % _THREADS,
            holds_others=kind in _CALLED,
            output_shapes=shape,
            nodes=nodes,
        )
