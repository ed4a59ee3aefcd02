"""The check of a whole submission, against the rules of its round."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

from mlscope.errors import DataError, UsageError
from mlscope.submissions._check_result import CheckedResult, ResultChecker
from mlscope.submissions._check_system import check_system
from mlscope.submissions._check_tree import check_files, check_root, check_submitter
from mlscope.submissions._evidence import Scope, number
from mlscope.submissions._findings import Finding, Findings
from mlscope.submissions._official_checker import OfficialVerdict
from mlscope.submissions._rounds import ROUNDS, Round, Seeds, find_round, round_of_seeds
from mlscope.submissions._rules import RULES
from mlscope.submissions._runlog import read_run
from mlscope.submissions._tree import DIVISIONS, guess_round

__all__ = ["CheckReport", "check_submission"]

_PROBED = 20  # logs that are looked at to tell the round


@dataclasses.dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found."""

    root: Path
    round: Round
    results: tuple[CheckedResult, ...]
    findings: tuple[Finding, ...]
    official: OfficialVerdict | None = None

    @property
    def passed(self) -> bool:
        """Whether there is a result, and no error."""
        return bool(self.results) and self.count("error") == 0

    def count(self, severity: str) -> int:
        """Findings of a severity."""
        return sum(each.severity == severity for each in self.findings)


def check_submission(
    root: Path, round_name: str | None = None, *, submitter: str | None = None, skip_dataset_size: bool = False
) -> CheckReport:
    """Check a submission against the rules of a round.

    Args:
        root: The folder with the divisions `closed`, `open` or `network` in it.
        round_name: `v0.5`, `v5.0`, … `v6.1`; None: told by the seeds in the logs, or else by the folder's name.
        submitter: Check only this one; None: all.
        skip_dataset_size: Only warn of accuracy runs over a part of the data set, as the official checker's
            `--skip-dataset-size-check` does.

    Raises:
        DataError: There is no submission in the folder.
        UsageError: The round is unknown, or cannot be told; there is no such submitter.
    """
    if not root.is_dir():
        raise DataError("there is no such folder", where=str(root))
    if not any((root / division).is_dir() for division in DIVISIONS):
        raise DataError(
            "this is no submission", where=str(root), hint=f"its root holds folders {' | '.join(DIVISIONS)}"
        )
    wanted = find_round(round_name) if round_name else _told_round(root)
    findings = Findings(RULES)
    scope = Scope(root, wanted, findings, skip_dataset_size)
    results: list[CheckedResult] = []
    found: list[str] = []
    for division in check_root(scope):
        for name in scope.folders(PurePath(division)):
            if submitter in (None, name):
                found.append(name)
                results += _Submitter(scope, division, name).check()
    if submitter is not None and not found:
        raise UsageError(f'there is no submitter "{submitter}"', where=str(root))
    if len(set(found)) > 1:
        findings.add("submitters", "", f"there are {len(set(found))}: {', '.join(sorted(set(found)))}")
    return CheckReport(root, wanted, tuple(results), findings.sorted())


@dataclasses.dataclass(frozen=True, slots=True)
class _Submitter:
    """One submitter in one division."""

    scope: Scope
    division: str
    name: str

    @property
    def base(self) -> PurePath:
        return PurePath(self.division, self.name)

    def check(self) -> Iterator[CheckedResult]:
        check_files(self.scope, self.base)
        results = self.base / "results"
        if not self.scope.is_folder(results):
            return
        check_submitter(self.scope, self.base)
        mapping = self._mapping()
        for system in self.scope.folders(results):
            description = check_system(self.scope, self.division, self.name, system)
            checker = ResultChecker(self.scope, self.base, system, description, mapping)
            for benchmark in self.scope.folders(results / system):
                yield from checker.check(benchmark)

    def _mapping(self) -> dict[str, Any]:
        if self.division != "open":
            return {}
        return self.scope.json(self.base / "model_mapping.json", "mapping-broken") or {}


def _told_round(root: Path) -> Round:
    """The round whose seeds the logs of a tree have, or that its folder's name tells."""
    for path in _detail_logs(root):
        scope = Scope(root, find_round("v0.5"), Findings(RULES))
        log = read_run(scope, path.parent.relative_to(root))
        values = log.values if log else {}
        seeds = (number(values, f"effective_{name}_rng_seed") for name in ("qsl", "sample_index", "schedule"))
        told = round_of_seeds(Seeds(*(int(seed or 0) for seed in seeds)))
        if told is not None:
            return told
    if (name := guess_round(root)) is not None and name in ROUNDS:
        return ROUNDS[name]
    raise UsageError(
        "its round cannot be told: no performance log has the seeds of one", where=str(root), hint="give --round"
    )


def _detail_logs(root: Path) -> Iterator[Path]:
    found = 0
    for folder, names, files in os.walk(root):
        names.sort()
        if "mlperf_log_detail.txt" in files and Path(folder).name.startswith("run_"):
            yield Path(folder, "mlperf_log_detail.txt")
            found += 1
            if found == _PROBED:
                return
