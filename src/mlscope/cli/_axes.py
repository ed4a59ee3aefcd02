"""Axes of a sweep: command lines whose flags hold lists and ranges become the command lines of its points.

::

    --batch-size 1,2,4            three values
    --samples-per-query 20:40:2   20, 22, … 40
    --streams 1:16:x2             1, 2, 4, 8, 16
    --option precision=fp32,bf16  values of one option
    --framework onnxruntime==1.18.1 --framework openvino
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence

from mlscope.errors import UsageError

__all__ = ["Axis", "Combination", "combinations", "read_axes", "values_of"]

_MOST_POINTS = 10_000
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"(?P<first>{_NUMBER}):(?P<last>{_NUMBER})(?::(?P<times>x?)(?P<step>{_NUMBER}))?")
_WHOLE = frozenset(
    {
        *("--tags", "--weights-tags", "--images-tags", "--shape", "--env", "--worker-prefix", "--experiment"),
        *("--database-address", "--database-name", "--tracer-address", "--config", "--secret", "--dataset-path"),
        *("--urls-file-path", "--user-conf", "--mlperf-conf", "--audit-conf", "--weights", "--trace", "--format"),
    }
)
"""Flags whose value is one value whatever is in it; repeated, they mean what they mean to the command."""
_KEYED = frozenset({"--option", "--setting"})
_FRAMEWORKS = re.compile(r",(?=\s*[A-Za-z])")  # ``onnxruntime>=1.18,<1.20`` is one


@dataclasses.dataclass(frozen=True, slots=True)
class Axis:
    """One thing that varies."""

    name: str
    """The flag without dashes, or the key of ``--option`` and ``--setting``."""
    flag: str
    """What a value is put behind: ``--batch-size=`` or ``--option=precision=``."""
    values: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Combination:
    """One point: its command line's flags, and what varies."""

    arguments: tuple[str, ...]
    values: Mapping[str, str]


def read_axes(arguments: Sequence[str]) -> tuple[list[Axis], list[str]]:
    """Axes (in the order of the flags) and the arguments that do not vary.

    Args:
        arguments: ``--flag=value``, ``--switch`` and positional words.

    Raises:
        UsageError: A range is empty, contradicts itself or has far too many values.
    """
    found: dict[str, Axis] = {}
    fixed = []
    for argument in arguments:
        flag, equals, text = argument.partition("=")
        if not argument.startswith("--") or not equals or flag in _WHOLE:
            fixed.append(argument)
            continue
        name, prefix = flag.removeprefix("--"), f"{flag}="
        if flag in _KEYED:
            name, _, text = text.partition("=")
            prefix = f"{flag}={name}="
        values = values_of(flag, text)
        before = found[prefix].values if prefix in found else ()
        found[prefix] = Axis(name, prefix, tuple(dict.fromkeys((*before, *values))))
    return list(found.values()), fixed


def values_of(flag: str, text: str) -> tuple[str, ...]:
    """The values that a flag's text stands for.

    Raises:
        UsageError: As for :func:`read_axes`.
    """
    if text[:1] in ("[", "{"):  # JSON
        return (text,)
    parts = _FRAMEWORKS.split(text) if flag == "--framework" else text.split(",")
    values = [each for part in parts for each in _expanded(flag, part.strip())]
    if not all(values):
        raise UsageError(f'"{text}" has an empty value', where=flag)
    return tuple(values)


def _expanded(flag: str, text: str) -> Iterable[str]:
    match = _RANGE.fullmatch(text)
    if match is None:
        return (text,)
    whole = not re.search(r"[.eE]", text)
    first, last = float(match["first"]), float(match["last"])
    step = float(match["step"] or 1)
    values: list[float] = []
    grows = step > 1 and first > 0 if match["times"] else step > 0
    if not grows:
        raise UsageError(f'"{text}" never ends: the step must lead upwards', where=flag)
    if first > last:
        raise UsageError(f'"{text}" is empty: {match["first"]} is more than {match["last"]}', where=flag)
    value = first
    while value <= last + abs(last) * 1e-12:
        values.append(value)
        if len(values) > _MOST_POINTS:
            raise UsageError(f'"{text}" has more than {_MOST_POINTS:,} values', where=flag)
        value = first * step ** len(values) if match["times"] else first + step * len(values)
    return [str(int(value)) if whole and value == int(value) else f"{value:g}" for value in values]


def combinations(axes: Sequence[Axis], fixed: Sequence[str], ties: Sequence[Sequence[str]]) -> list[Combination]:
    """All points: axes multiply, those that are tied move together.

    Args:
        axes: What varies; an axis of one value is part of every point and not shown.
        fixed: What does not.
        ties: Names of axes, as flags without dashes.

    Raises:
        UsageError: A tie names an axis that is not there, twice, or of another length; or there are too many points.
    """
    bundles = _bundles(axes, ties)
    count = 1
    for bundle in bundles:
        count *= len(bundle[0].values)
    if count > _MOST_POINTS:
        raise UsageError(f"these axes have {count:,} points", hint=f"{_MOST_POINTS:,} is the most")
    varying = {axis.name for axis in axes if len(axis.values) > 1}
    found = []
    for places in itertools.product(*(range(len(bundle[0].values)) for bundle in bundles)):
        chosen = [(axis, axis.values[place]) for bundle, place in zip(bundles, places, strict=True) for axis in bundle]
        found.append(
            Combination(
                (*(f"{axis.flag}{value}" for axis, value in chosen), *fixed),
                {axis.name: value for axis, value in chosen if axis.name in varying},
            )
        )
    return found


def _bundles(axes: Sequence[Axis], ties: Sequence[Sequence[str]]) -> list[list[Axis]]:
    """Axes that move together, each one list; an axis of its own is a list of one."""
    by_name = {axis.name: axis for axis in axes}
    tied: dict[str, list[Axis]] = {}
    for names in ties:
        for name in names:
            if name not in by_name:
                raise UsageError(
                    f'"{name}" is no axis here', where="--tie", hint=f"axes are {', '.join(by_name) or 'none'}"
                )
            if name in tied:
                raise UsageError(f'"{name}" is tied twice', where="--tie")
        bundle = [by_name[name] for name in names]
        if len({len(axis.values) for axis in bundle}) > 1:
            counts = ", ".join(f"{axis.name} has {len(axis.values)}" for axis in bundle)
            raise UsageError(f"tied axes need equally many values: {counts}", where="--tie")
        tied |= dict.fromkeys(names, bundle)
    bundles: list[list[Axis]] = []
    for axis in axes:
        bundle = tied.get(axis.name, [axis])
        if bundle not in bundles:
            bundles.append(bundle)
    return bundles
