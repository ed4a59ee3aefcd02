"""The trace's root, and its way to a trace server once the run is sealed."""

from __future__ import annotations

import os
import time

from mlscope.conductor._outcome import Observer, Outcome
from mlscope.conductor._run import Run
from mlscope.errors import MlscopeError, OfflineError
from mlscope.plan import Request
from mlscope.results import Evaluation, Span
from mlscope.traces import (
    TRACEPARENT,
    TracerAddress,
    parse_tracer,
    read_spans_only,
    require_sender,
    send,
    trace_context,
)
from mlscope.worker.protocol import TraceLevel

__all__ = ["check_tracer", "root_span", "send_spans"]

_BUDGET_S = 60.0
"""How long a user waits for a trace server after a run."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def check_tracer(request: Request) -> TracerAddress | None:
    """Where spans shall go; a misspelt address is found before the evaluation, not after it.

    Raises:
        UsageError: It is no address, or nothing here can send there.
        OfflineError: It is on another machine and the network was ruled out.
    """
    if request.tracer_address is None:
        return None
    address = parse_tracer(request.tracer_address)
    require_sender(address)
    if request.offline and address.host not in _LOOPBACK:
        raise OfflineError("--local rules out a trace server on another machine", where=address.shown)
    return address


def root_span(run: Run) -> Span:
    """The span of the whole run, with the W3C context that the caller runs in, if there is one."""
    level, end = int(TraceLevel.APPLICATION_TRACE), time.perf_counter_ns()
    context = os.environ.get("TRACEPARENT", "").strip()
    attributes = {TRACEPARENT: context} if trace_context(context) else {}
    return Span(f"{1:016x}", None, run.prepared.plan.command, level, run.begin_ns, end, attributes)


def send_spans(run: Run, outcome: Outcome) -> None:
    """Send the spans of a sealed run where the request wants them; that it cannot be done is said and no more."""
    request, folder, observer = run.prepared.request, outcome.folder, run.observer
    if request.tracer_address is None or folder is None or run.level == TraceLevel.NO_TRACE:
        return
    address = parse_tracer(request.tracer_address)
    _say_reading(address, observer)
    observer.stage("send trace")
    again = f"`mlscope trace send {run.id[:16]} --tracer-address {address.shown}` sends it later"
    try:
        sent = send(read_spans_only(Evaluation.from_folder(folder)), address, budget_s=_BUDGET_S)
    except MlscopeError as error:
        observer.warn(f"the trace stays in the run folder: {error}; {again}")
    except KeyboardInterrupt:
        observer.warn(f"sending the trace was interrupted; {again}")
    else:
        observer.note(f"sent {sent:,} spans to {address.shown}")


def _say_reading(address: TracerAddress, observer: Observer) -> None:
    if address.old_style:
        observer.note(f"--tracer-address is read as {address.shown}")
