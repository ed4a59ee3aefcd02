"""Recorded runs as parts of a submission: accuracy runs, performance runs, compliance tests."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import ValidationError

from mlscope.errors import StoreError
from mlscope.plan import Plan, Request
from mlscope.results import Evaluation, Filter, Record, Store
from mlscope.submissions._audits import test_of

__all__ = ["PROBE", "Measured", "Part", "Subject", "find_parts", "group_parts", "role_of"]

PROBE = "probe"
"""Tag of the short runs that `mlscope submission run` begins with; they are no part of a submission."""

ACCURACY, PERFORMANCE = "accuracy", "performance"


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """One run."""

    evaluation: Evaluation
    plan: Plan
    role: str
    """`accuracy`, `performance`, or the name of a compliance test."""

    @property
    def record(self) -> Record:
        """What was found."""
        return self.evaluation.record

    @property
    def valid(self) -> bool:
        """Whether LoadGen calls it valid; an accuracy run has no verdict."""
        result = self.record.loadgen
        return result is not None and result.validity in (None, "VALID")

    def request(self) -> Request:
        """What was asked for."""
        with self.evaluation.open("request.json") as file:
            return Request.model_validate_json(file.read())

    def lock(self) -> dict[str, Any]:
        """The software that it ran on."""
        with self.evaluation.open("lock.json") as file:
            found: dict[str, Any] = json.loads(file.read())
            return found

    def describe(self) -> str:
        """For messages."""
        return f"the {self.role} run {self.record.id[:12]}"


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Subject:
    """What was measured: a model on a framework on a machine."""

    model_name: str
    model_version: str
    framework_name: str
    framework_version: str
    hostname: str

    @classmethod
    def of(cls, record: Record) -> Subject:
        """The subject of a record."""
        return cls(
            record.model_name,
            record.model_version,
            record.framework_name,
            record.framework_version,
            record.system.hostname,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """The runs of one scenario; of each role the newest one that is valid, or else the newest."""

    scenario: str
    parts: dict[str, Part]

    @property
    def accuracy(self) -> Part:
        """The accuracy run."""
        return self.parts[ACCURACY]

    @property
    def performance(self) -> Part:
        """The performance run."""
        return self.parts[PERFORMANCE]

    @property
    def whole(self) -> bool:
        """Whether both runs of a result are there."""
        return ACCURACY in self.parts and PERFORMANCE in self.parts

    def tests(self) -> dict[str, Part]:
        """The compliance tests by name."""
        return {role: part for role, part in sorted(self.parts.items()) if role not in {ACCURACY, PERFORMANCE}}


def role_of(plan: Plan) -> str | None:
    """What a run is in a submission; None: nothing."""
    load = plan.load
    if load is None or load.interval_ms is not None:
        return None
    if load.mode == "AccuracyOnly":
        return ACCURACY
    if load.mode != "PerformanceOnly":
        return None
    return PERFORMANCE if load.audit_conf is None else test_of(load.audit_conf)


def find_parts(store: Store, where: Filter) -> list[Part]:
    """The runs of a store that can be parts of a submission, newest first.

    Args:
        store: Where to look.
        where: Which of them; whatever it says, only complete LoadGen tests of mlscope's own are taken.

    Raises:
        StoreError: The store cannot be read, or a run's files are damaged.
    """
    wanted = dataclasses.replace(where, status="complete", command="benchmark")
    found = []
    for record in store.find(wanted):
        if record.kind not in {"own", "rehearsal"} or record.loadgen is None or PROBE in record.tags:
            continue
        evaluation = Evaluation.from_store(store, record.id)
        plan = _plan(evaluation)
        role = role_of(plan)
        if role is not None:
            found.append(Part(evaluation, plan, role))
    return found


def _plan(evaluation: Evaluation) -> Plan:
    with evaluation.open("plan.json") as file:
        try:
            return Plan.model_validate_json(file.read())
        except ValidationError as error:
            text = f"the plan of run {evaluation.record.id} cannot be read"
            raise StoreError(text, hint="a newer mlscope may have written it") from error


def group_parts(parts: Iterable[Part]) -> dict[Subject, list[Measured]]:
    """What was measured, with its scenarios.

    Args:
        parts: Newest first.
    """
    found: dict[Subject, dict[str, dict[str, Part]]] = {}
    for part in parts:
        roles = found.setdefault(Subject.of(part.record), {}).setdefault(str(part.record.scenario), {})
        known = roles.get(part.role)
        if known is None or (part.valid and not known.valid):
            roles[part.role] = part
    return {subject: _ordered(scenarios) for subject, scenarios in sorted(found.items())}


_ORDER: Sequence[str] = ("SingleStream", "MultiStream", "Server", "Offline")


def _ordered(scenarios: dict[str, dict[str, Part]]) -> list[Measured]:
    return [Measured(name, scenarios[name]) for name in sorted(scenarios, key=_ORDER.index)]
