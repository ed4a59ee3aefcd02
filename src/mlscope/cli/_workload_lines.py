"""Open loops and searches for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlscope.results import Record, SearchResult, SearchStep, WorkloadResult

__all__ = ["workload_lines"]


def workload_lines(record: Record) -> list[str]:
    """What became of the requests of an open loop, and what a search has found."""
    lines = []
    if record.search is not None:
        lines += [_step_line(number, step) for number, step in enumerate(record.search.steps, 1)]
        lines.append("")
    if record.workload is not None:
        lines += _request_lines(record.workload)
    if record.search is not None:
        lines += _search_lines(record.search)
    return lines


def _step_line(number: int, step: SearchStep) -> str:
    verdict = "meets the bound" if step.passed else "does not"
    return f"run {number:>2}  {step.value:>9.4g} qps  {step.note}, {verdict}{'' if step.full else ' (short run)'}"


def _request_lines(workload: WorkloadResult) -> list[str]:
    counts = {
        "answered": workload.answered,
        "failed": workload.failed,
        "dropped": workload.dropped,
        "unfinished": workload.unfinished,
        "not issued": workload.not_issued,
    }
    shown = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count or name == "answered")
    lines = [f"Requests  {workload.requests:,} at {workload.offered_qps:.4g} qps, {workload.arrival}: {shown}"]
    if workload.slip and workload.max_slip_ns is not None:
        slip = ", ".join(f"p{each.percentile:g} {each.value_ns / 1e6:.3f}" for each in workload.slip)
        lines.append(f"Slip  {slip}, max {workload.max_slip_ns / 1e6:.3f} ms (issued later than scheduled)")
    at = "infinite" if workload.latency_ns is None else f"{workload.latency_ns / 1e6:.4g} ms"
    line = f"qps = {workload.offered_qps:.4g}, latency = {at} (p{workload.percentile:g} since the scheduled arrival)"
    if workload.latency_bound_ns is not None:
        line += f"; the bound of {workload.latency_bound_ns / 1e6:g} ms is {'met' if workload.bound_met else 'not met'}"
    lines.append(line)
    return [*lines, f"Verdict  {workload.verdict}", *(f"overload because {each}" for each in workload.reasons)]


def _search_lines(search: SearchResult) -> list[str]:
    lines = ["", f"Max QPS  {search.summary}"]
    if search.low is not None and search.high is not None:
        lines.append(f"The limit lies between {search.low:.4g} and {search.high:.4g} qps.")
    if search.first_failing is not None:
        lines.append(f"The lowest rate that did not meet it is {search.first_failing:.4g} qps.")
    if search.outcome == "unfinished":
        lines.append("The search was not finished; the same command goes on with it.")
    return lines
