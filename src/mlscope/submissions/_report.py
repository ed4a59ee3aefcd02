"""What a check found, as text, tables and JSON."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from mlscope.analyses import Column, Table
from mlscope.submissions._check import CheckReport
from mlscope.submissions._check_result import CheckedResult
from mlscope.submissions._findings import Finding
from mlscope.submissions._rules import RULES

__all__ = ["checked_table", "errors_by_result", "findings_table", "report_json", "report_lines", "rules_reference"]

_FINDINGS = (
    Column("rule", "rule"),
    Column("severity", "severity"),
    Column("file", "file"),
    Column("message", "found"),
    Column("text", "rule's text", shown="wide"),
    Column("source", "source", shown="wide"),
    Column("remedy", "what to do", shown="wide"),
    Column("official", "official checker", shown="wide"),
)
_RESULTS = (
    Column("division", "division"),
    Column("submitter", "submitter", shown="wide"),
    Column("system", "system"),
    Column("benchmark", "benchmark"),
    Column("scenario", "scenario"),
    Column("inferred_from", "inferred from", shown="wide"),
    Column("value", "result"),
    Column("unit", "unit"),
    Column("accuracy_percent", "accuracy %"),
    Column("errors", "errors"),
    Column("official", "official checker"),
    Column("folder", "folder", shown="data"),
)


def errors_by_result(report: CheckReport) -> dict[str, int]:
    """Folder of each result → its errors: in its files, or in what it shares with others."""
    counts: Counter[tuple[str, ...]] = Counter()
    for each in report.findings:
        if each.severity == "error":
            counts[_subject(each.file)] += 1
    found = {}
    for result in report.results:
        subject = _subject(result.folder)
        found[result.folder] = sum(counts[subject[:length]] for length in range(2, len(subject) + 1))
    return found


def _subject(file: str) -> tuple[str, ...]:
    """Division, submitter, system, benchmark and scenario that a file is about, as many as it says."""
    parts = file.split("/")
    if parts[2:3] == ["systems"]:
        return (*parts[:2], *(name.removesuffix(".json") for name in parts[3:4]))
    return (*parts[:2], *parts[3:6])


def checked_table(report: CheckReport) -> Table:
    """One row a result."""
    errors = errors_by_result(report)
    rows = []
    for each in report.results:
        row: dict[str, object] = {
            "division": each.division,
            "submitter": each.submitter,
            "system": each.system,
            "benchmark": each.benchmark,
            "scenario": each.scenario,
            "inferred_from": each.inferred_from,
            "value": each.value,
            "unit": each.unit,
            "accuracy_percent": each.accuracy,
            "errors": errors[each.folder],
            "official": _official(report, each),
            "folder": each.folder,
        }
        rows.append(row)
    return Table("results", _RESULTS, rows)


def _official(report: CheckReport, result: CheckedResult) -> str | None:
    verdict = report.official
    if verdict is None:
        return None
    if result.folder not in verdict.results:
        return "not reached"
    return "fails" if verdict.results[result.folder] is None else "passes"


def findings_table(report: CheckReport) -> Table:
    """One row a finding."""
    rows: list[dict[str, object]] = [_finding(each) for each in report.findings]
    return Table("findings", _FINDINGS, rows)


def _finding(finding: Finding) -> dict[str, object]:
    rule = finding.rule
    return {
        "rule": rule.id,
        "severity": finding.severity,
        "file": finding.file,
        "message": finding.message,
        "text": rule.text,
        "source": rule.source,
        "remedy": rule.remedy,
        "official": rule.official,
    }


def report_json(report: CheckReport) -> dict[str, Any]:
    """The whole report as one document."""
    return {
        "root": str(report.root),
        "round": report.round.name,
        "passed": report.passed,
        "errors": report.count("error"),
        "warnings": report.count("warning"),
        "results": checked_table(report).rows,
        "findings": findings_table(report).rows,
        "official": dataclasses.asdict(report.official) if report.official else None,
    }


def report_lines(report: CheckReport) -> list[str]:
    """The findings for people, by rule, and the verdict at their end."""
    lines = list(itertools.chain.from_iterable(_by_rule(report)))
    lines += _official_lines(report)
    counts = ", ".join(_counted(report.count(kind), kind) for kind in ("error", "warning", "note"))
    if not report.results:
        lines.append(f"{report.round.name}: there are no results; {counts}.")
    else:
        verdict = "passes" if report.passed else "does not pass"
        lines.append(f"The submission {verdict} for {report.round.name}: {counts}.")
    return lines


def _by_rule(report: CheckReport) -> Iterator[list[str]]:
    by = sorted(report.findings, key=lambda each: ("error", "warning", "note").index(each.severity))
    groups: dict[tuple[str, str], list[Finding]] = {}
    for each in by:
        groups.setdefault((each.severity, each.rule.id), []).append(each)
    for (severity, name), found in groups.items():
        rule = found[0].rule
        lines = [f"{severity} {name}: {rule.text}"]
        lines += [f"  {each.file or '.'}: {each.message}" for each in found]
        lines.append(f"  Source: {rule.source}. The official checker {_DOES[rule.official]}.")
        if severity != "note":
            lines.append(f"  What to do: {rule.remedy}.")
        yield [*lines, ""]


_DOES = {
    "fails": "fails it",
    "passes": "says nothing",
    "crashes": "ends in a traceback",
    "prints": "prints a message and passes it",
}


def _official_lines(report: CheckReport) -> list[str]:
    verdict = report.official
    if verdict is None:
        return []
    lines = [
        f"Official checker{f' at {verdict.commit[:12]}' if verdict.commit else ''}: exit code {verdict.exit_code}."
    ]
    if verdict.crashed:
        lines.append(f"  It ended in a traceback: {verdict.crashed}")
    lines += [f"  {error}" for error in verdict.errors]
    errors = errors_by_result(report)
    for folder, value in verdict.results.items():
        if folder in errors and (errors[folder] == 0) != (value is not None):
            said = ("passes", "fails") if value is not None else ("fails", "passes")
            lines.append(f"  {folder}: the official checker {said[0]} it, this one {said[1]} it.")
    return [*lines, ""]


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def rules_reference() -> str:
    """Markdown: a table of all rules."""
    head = ("id", "severity", "rule", "official checker", "source", "what to do")
    rows = [
        (f"`{rule.id}`", rule.severity, rule.text, _DOES[rule.official], rule.source, rule.remedy)
        for rule in RULES.values()
    ]
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in lines)
