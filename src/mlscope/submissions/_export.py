"""A submission's tree from recorded runs: `mlscope submission export`."""

from __future__ import annotations

import dataclasses
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlscope._files import explain_os_errors
from mlscope.errors import StoreError, UsageError
from mlscope.submissions._audits import AUDITS
from mlscope.submissions._faults import Rules, inferred_from, missing_scenarios, rule_faults
from mlscope.submissions._layout import Division, Layout, Place, check_name
from mlscope.submissions._logs import read_logs
from mlscope.submissions._merge import merge
from mlscope.submissions._metric import Metric, official_metric
from mlscope.submissions._parts import Measured, Part, Subject, group_parts
from mlscope.submissions._result import ResultWriter
from mlscope.submissions._rounds import Round
from mlscope.submissions._systems import FIELDS, QUESTIONS, answer, machine_fields, unanswered
from mlscope.submissions._texts import code_readme

__all__ = ["Exported", "Wanted", "export_runs"]

REHEARSAL = "rehearsal"
_MARK = "REHEARSAL.md"
"""File beside a rehearsal's results."""
_REHEARSED = "**This is a rehearsal: its runs were too short for a submission. It must not be submitted.**"
_CLOSED_NAME, _OFFICIAL = "resnet50", "resnet"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a submission is to be."""

    round: Round
    division: Division
    system: Mapping[str, str | None]
    """The answers of a system file."""
    system_name: str | None = None
    """The system's folder; None: its own name with the framework and its version."""
    benchmark: str | None = None
    """The benchmark's folder; None: `resnet50` in the closed division, else the model's name."""
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """About the model, instead of what its manifest tells."""
    infer: bool = False
    """Whether results of scenarios that were not measured are inferred from others."""
    rehearsal: bool = False
    """Rehearsals may go in; the tree says everywhere that it is one."""


@dataclasses.dataclass(frozen=True, slots=True)
class Exported:
    """One result in the tree."""

    place: Place
    path: Path
    """Its folder, relative to the root."""
    measured: Measured
    inferred_from: str | None
    """The scenario that was measured instead."""
    result: Metric | None
    """What the round counts as its result."""


def export_runs(
    parts: Sequence[Part], wanted: Wanted, root: Path, *, overwrite: bool = False
) -> tuple[list[Exported], list[str]]:
    """Write runs as a submission, all or nothing; what is in the tree already stays.

    Args:
        parts: The runs, newest first.
        wanted: What it is to be.
        root: Folder of the tree; it may hold other results already.
        overwrite: Replace results that are there.

    Returns:
        The results, and notes for the user, a sentence each.

    Raises:
        UsageError: The system file has gaps, a name cannot be that of a folder, or the manifest leaves facts open.
        StoreError: There are no such runs, the rules forbid them, or the tree has such results already.
        ResourceError: The disk is full or cannot be written.
    """
    _check_answers(wanted)
    layout = Layout(wanted.round, wanted.division, str(wanted.system["submitter"]))
    base = root / layout.base
    if base.exists() and wanted.rehearsal != (base / _MARK).exists():
        kind = "real results" if wanted.rehearsal else "a rehearsal"
        raise StoreError(f"this tree is one of {kind}", where=str(base), hint="choose another folder")
    subjects = {
        subject: whole
        for subject, measured in group_parts(parts).items()
        if (whole := [each for each in measured if each.whole])
    }
    if not subjects:
        _complain(_halves(parts) or ["there are no runs with LoadGen's modes AccuracyOnly and PerformanceOnly"])
    if len(subjects) > 1 and (wanted.benchmark or wanted.system_name or wanted.division == "closed"):
        names = ", ".join(f"{each.model_name} on {each.framework_name} {each.framework_version}" for each in subjects)
        raise UsageError(f"these are runs of several models or systems: {names}", hint="choose with --model-name")
    with explain_os_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=root) as scratch:
            tree = Path(scratch, "tree")
            tree.mkdir()
            writer = _TreeWriter(wanted, layout, tree, Path(scratch))
            writer.notes += [f"{half}, and is left out" for half in _halves(parts)]
            for subject, measured in subjects.items():
                writer.subject(subject, measured)
            _complain(writer.faults)
            merge(tree, root, writer.folders, overwrite=overwrite)
    return writer.results, writer.notes


def _check_answers(wanted: Wanted) -> None:
    open_ = unanswered(wanted.system)
    if open_:
        hint = f"mlscope submission system init FILE --set {open_[0]}=…"
        raise UsageError(f"the system file does not say: {', '.join(open_)}", hint=hint)
    for key, question in QUESTIONS.items():
        if question.choices:
            answer(key, str(wanted.system[key]))
    check_name("the submitter", str(wanted.system["submitter"]))
    if wanted.infer and "edge" not in str(wanted.system["system_type"]):
        raise UsageError("results are inferred for edge systems only", hint="leave --infer out, and measure them")
    if wanted.round.name == "v0.5":
        raise UsageError(
            "today's LoadGen does not write the logs of v0.5, so own runs cannot go there",
            hint="records of CK and of v0.5 can: choose them by their experiment",
        )


def _halves(parts: Sequence[Part]) -> list[str]:
    """Scenarios of which one of the two runs is missing."""
    return [
        f"{measured.scenario} of {subject.model_name} has no {lacking} run"
        for subject, found in group_parts(parts).items()
        for measured in found
        for lacking in ("accuracy", "performance")
        if lacking not in measured.parts
    ]


def _complain(faults: Sequence[str]) -> None:
    if faults:
        raise StoreError(f"this cannot be submitted: {'; '.join(dict.fromkeys(faults))}")


class _TreeWriter:
    """Builds a tree, and gathers what is wrong with the runs."""

    def __init__(self, wanted: Wanted, layout: Layout, tree: Path, scratch: Path) -> None:
        self.results: list[Exported] = []
        self.faults: list[str] = []
        self.notes: list[str] = []
        self.folders: list[Path] = []
        """Folders that belong to one result, relative to the root."""
        self._wanted, self._layout, self._tree, self._scratch = wanted, layout, tree, scratch
        self._mapping: dict[str, str] = {}

    def subject(self, subject: Subject, measured: Sequence[Measured]) -> None:
        """Write all scenarios of a model on a system."""
        wanted = self._wanted
        system = check_name("the system", wanted.system_name or self._system_name(subject))
        default = _CLOSED_NAME if wanted.division == "closed" else _slug(subject.model_name)
        benchmark = check_name("the benchmark", wanted.benchmark or default)
        rules = self._rules(benchmark)
        there = [each.scenario for each in measured]
        inferred = self._inferred(rules, there) if wanted.infer else {}
        if not wanted.rehearsal:
            self.faults += missing_scenarios(rules, [*there, *inferred])
        for each in measured:
            faults = list(rule_faults(each, rules))
            self.faults += faults
            self._dataset_note(each, rules)
            if not any("has no accuracy" in fault for fault in faults):
                self._write(Place(system, benchmark, each.scenario), each, None)
        for scenario, source in inferred.items():
            self._write(Place(system, benchmark, scenario), measured[there.index(source)], source)
        self._system(system, measured[0].performance)
        self._code(benchmark, measured)

    def _rules(self, benchmark: str) -> Rules:
        wanted = self._wanted
        official = wanted.round.benchmark_of(benchmark)
        if official is None and wanted.division == "open":
            self._mapping[benchmark] = official = _OFFICIAL
        elif official is None:
            self.faults.append(f"{wanted.round.name} has no closed benchmark {benchmark}")
        known = wanted.round.benchmarks.get(official or "")
        return Rules(wanted.round, wanted.division, known, str(wanted.system["system_type"]), wanted.rehearsal)

    def _inferred(self, rules: Rules, there: Sequence[str]) -> dict[str, str]:
        """Scenario that was not measured → the one that its result comes from."""
        names = rules.scenarios or ("SingleStream", "MultiStream", "Offline")
        sources = {name: inferred_from(name, there) for name in names if name not in there}
        return {name: source for name, source in sources.items() if source is not None}

    def _dataset_note(self, measured: Measured, rules: Rules) -> None:
        accuracy = measured.accuracy.record.accuracy
        if rules.benchmark and accuracy and not rules.closed and accuracy.evaluated != rules.benchmark.dataset_size:
            self.notes.append(
                f"{measured.scenario}: the accuracy run covers {accuracy.evaluated} samples, not "
                f"{rules.benchmark.dataset_size}; the official checker passes that with --skip-dataset-size-check only"
            )

    def _write(self, place: Place, measured: Measured, source: str | None) -> None:
        notes = [_REHEARSED] if self._wanted.rehearsal else []
        if source is not None:
            notes.append(f"The result of {place.scenario} is inferred from the runs of {source}.")
        writer = ResultWriter(self._tree, self._layout, self._wanted.facts, self._scratch)
        faults = writer.write(place, measured, notes)
        if self._wanted.rehearsal:
            self.notes += faults
        elif self._wanted.division == "closed":
            self.faults += faults
        logs = read_logs(self._tree / self._layout.performance(place))
        result = official_metric(logs, place.scenario, self._mapping.get(place.benchmark, place.benchmark))
        self.results.append(Exported(place, Path(self._layout.result(place)), measured, source, result))
        self.folders += [Path(folder) for folder in self._layout.folders(place)]

    def _system_name(self, subject: Subject) -> str:
        name = _slug(str(self._wanted.system["system_name"]))
        end = f"-{REHEARSAL}" if self._wanted.rehearsal else ""
        return f"{name}-{subject.framework_name}-v{subject.framework_version}{end}"

    def _system(self, name: str, part: Part) -> None:
        """The system's JSON: the file's answers, and what it leaves open from the record."""
        wanted, record = self._wanted, part.record
        machine = machine_fields(record.system)
        given = wanted.system
        for key in ("host_processor_model_name", "host_memory_capacity"):
            if given.get(key) and machine.get(key) and given[key] != machine[key]:
                self.notes.append(f"the system file says {key} is {given[key]!r}, the runs say {machine[key]!r}")
        found = {key: given.get(key) or machine.get(key) or "" for key in FIELDS}
        found |= {key: value for key, value in given.items() if key not in found and value is not None}
        found["sw_notes"] = found["sw_notes"] or f"mlscope {record.mlscope_version}"
        found |= {"division": wanted.division, "framework": f"{record.framework_name} {record.framework_version}"}
        if wanted.rehearsal:
            found |= {"status": REHEARSAL, "system_name": f"{found['system_name']} ({REHEARSAL})"}
        ordered = {key: found.pop(key) for key in ("division", "submitter", "status")} | found
        self._put(self._layout.system(name), ordered)

    def _code(self, benchmark: str, measured: Sequence[Measured]) -> None:
        part = measured[0].performance
        folder = self._layout.code(benchmark)
        self._put(folder / "model.json", part.plan.model.manifest)
        self._put(folder / "lock.json", part.lock())
        readme = code_readme(part.plan, part.record.mlscope_version, part.record.mlscope_commit)
        if self._wanted.rehearsal:
            readme = f"{_REHEARSED}\n\n{readme}"
        (self._tree / folder / "README.md").write_text(readme, encoding="utf-8")
        for test in sorted({test for each in measured for test in each.tests()}):
            (self._tree / folder / f"{test}.audit.config").write_text(AUDITS[test])
        if self._mapping:
            self._put(self._layout.model_mapping, self._mapping)
        if self._wanted.rehearsal:
            (self._tree / self._layout.base / _MARK).write_text(f"{_REHEARSED}\n")

    def _put(self, name: object, value: object) -> None:
        path = self._tree / str(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _slug(text: str) -> str:
    """A folder's name from a name for people."""
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-.") or "system"
