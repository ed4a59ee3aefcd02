"""Records for people: the lines that ``predict``, ``benchmark`` and ``runs show`` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlscope.cli._terminal import clean
from mlscope.cli._workload_lines import workload_lines

if TYPE_CHECKING:
    from mlscope.results import LatencyResult, Passport, Record

__all__ = ["finding_lines", "headline"]

_SHOWN = (50, 90, 99)


def headline(record: Record) -> str:
    """What was measured: model, framework, data, load."""
    parts = [
        f"{record.model_name} {record.model_version}",
        f"with {record.framework_name} {record.framework_version}",
        f"on {record.dataset_name}" if record.dataset_name else "",
        f"batch size {record.batch_size}",
        f"{record.scenario}, {record.mode}" if record.scenario else "",
        f"repetition {record.repetition}" if record.repetition > 1 else "",
    ]
    return clean(", ".join(part for part in (" ".join(parts[:3]).strip(), *parts[3:]) if part))


def pictures_line(record: Record) -> str:
    """Where the tensors came from; empty for random inputs."""
    data = record.data
    if data is None:
        return ""
    form = (
        f"from the prepared set {(data.prepared or '')[:16]}" if data.preprocess == "cached" else "decoded in the run"
    )
    layout = "" if data.layout == "none" else f"{data.layout}, "
    libraries = ", ".join(f"{name} {version}" for name, version in data.libraries.items())
    own = " in an environment of its own" if data.lock_sha256 else ""
    return f"{layout}{form}{f', by {libraries}{own}' if libraries else ''}"


def finding_lines(record: Record) -> list[str]:
    """What was found; the accuracy comes last, but for what became of a schedule or a search."""
    parts = (
        _latency_lines,
        _timing_lines,
        _setting_lines,
        _machine_lines,
        _verdict_lines,
        _accuracy_lines,
        workload_lines,
    )
    return [line for part in parts for line in part(record)]


def _latency_lines(record: Record) -> list[str]:
    """One line for each distribution, and one for the throughput."""
    lines = [_latency_line(each) for each in record.latency]
    if record.latency:
        first = record.latency[0]
        low, high = first.throughput_low_samples_per_s, first.throughput_high_samples_per_s
        interval = f"  (95 % interval {low:.1f}\N{EN DASH}{high:.1f})" if low is not None and high is not None else ""
        lines.append(f"Throughput  {first.throughput_samples_per_s:.1f} samples/s{interval}")
    return lines


def _latency_line(result: LatencyResult) -> str:
    ranks = {each.percentile: each.value_ns for each in result.percentiles}
    shown = [f"mean {result.mean_ns / 1e6:.3f}"]
    shown += [f"p{rank} {ranks[rank] / 1e6:.3f}" for rank in _SHOWN if rank in ranks]
    failed = f", {result.failed} failed" if result.failed else ""
    count = f"{result.count} measured" if result.count else "how many is not told"
    return f"Latency of a {result.of}  {', '.join(shown)} ms  ({count}{failed})"


def _timing_lines(record: Record) -> list[str]:
    """Where the time went."""
    timings = record.timings
    milliseconds = {
        "load": timings.load_ns,
        "first inference": timings.first_inference_ns,
    }
    parts = [f"{name} {value / 1e6:.1f} ms" for name, value in milliseconds.items() if value is not None]
    if timings.preprocess_mean_ns is not None:
        cached = record.data is not None and record.data.preprocess == "cached"
        parts.append(
            f"mean and scale of a prepared sample {timings.preprocess_mean_ns / 1e6:.3f} ms"
            if cached
            else f"pre-processing of a sample {timings.preprocess_mean_ns / 1e6:.1f} ms"
        )
    if timings.wait_share is not None:
        parts.append(f"waited {100 * timings.wait_share:.0f} % of the time")
    if timings.peak_memory_bytes is not None:
        parts.append(f"peak memory {timings.peak_memory_bytes / 2**20:.0f} MiB")
    return [f"Model  {', '.join(parts)}"] if parts else []


def _setting_lines(record: Record) -> list[str]:
    """What the framework says of how it computed."""
    said = record.effective
    parts = [str(said.get("precision"))]
    for name in ("threads", "streams"):
        if isinstance(count := said.get(name), int):
            parts.append(f"{count} {name if count != 1 else name[:-1]}")
    if said.get("device"):
        parts.append(f"on the {said['device']}")
    return [clean(f"Computed in {', '.join(parts)}")] if record.effective.get("precision") else []


def _machine_lines(record: Record) -> list[str]:
    """How quiet the machine was, and what the harness itself costs."""
    passport, floor = record.passport, record.floor
    lines = []
    if passport is not None:
        lines.append(f"Machine  {_usage(passport)}")
    if floor is not None:
        disturbed = ", on a disturbed machine" if floor.disturbances else ""
        times = f"p50 {floor.p50_ns / 1e6:.4f}, p99 {floor.p99_ns / 1e6:.4f} ms of a {floor.of}"
        if record.scenario == "Offline":
            times = f"{floor.throughput_samples_per_s:.0f} samples/s"
        lines.append(f"Floor  {times} with the null model{disturbed}")
    return lines


def _usage(passport: Passport) -> str:
    """What was seen of the machine while it measured."""
    if passport.score is None:
        return "how quiet it was cannot be told" + (", the run was too short" if passport.readings else "")
    seen = f"score {passport.score} of 100"
    if passport.own_cores is not None and passport.foreign_cores is not None:
        seen += f"; own CPU {passport.own_cores:.2f} cores, other programs {passport.foreign_cores:.2f}"
    return seen if passport.steal_cores is None else f"{seen}, steal {passport.steal_cores:.2f}"


def _accuracy_lines(record: Record) -> list[str]:
    """Top-1, Top-5 and the line of MLPerf's scripts."""
    from mlscope.analyses import top_lines

    return top_lines(record.accuracy) if record.accuracy else []


def _verdict_lines(record: Record) -> list[str]:
    """What LoadGen says of its test, and why."""
    loadgen = record.loadgen
    if loadgen is None or loadgen.validity is None:
        return []
    metric = ""
    if loadgen.metric is not None and loadgen.metric_value is not None:
        value, unit = loadgen.metric_value, loadgen.metric_unit or ""
        shown = f"{value / 1e6:.6g} ms" if unit == "ns" else f"{value:.6g} {unit}".rstrip()
        metric = f"; {loadgen.metric}: {shown}"
    who = f"LoadGen {loadgen.version}" if loadgen.by == "LoadGen" else "mlscope, by the rules of MLPerf v0.5,"
    lines = [f"{who} calls the result {loadgen.validity}{metric}"]
    return [*lines, *(f"INVALID because {each}" for each in loadgen.failed_conditions)]
