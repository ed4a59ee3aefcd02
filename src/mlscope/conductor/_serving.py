"""Streams, threads and batches of a request: what goes together, and what is chosen where nothing was said."""

from __future__ import annotations

import os

from mlscope.errors import UsageError
from mlscope.plan import Request

__all__ = ["check_serving", "chosen_layout", "host_threads", "is_served", "open_axes"]


def host_threads() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def is_served(request: Request) -> bool:
    """Whether requests wait in a queue for streams: LoadGen's Server and Offline, and whatever is no LoadGen test."""
    if request.load is not None:
        return request.load.scenario in ("Server", "Offline")
    return request.command not in ("predict dataset", "predict urls")


def open_axes(request: Request) -> list[str]:
    """Those of streams, threads and max_batch that a calibration shall choose.

    ``--streams auto`` opens the threads too, and the rows of an Offline batch, unless they are given.
    """
    found = [name for name in ("streams", "threads", "max_batch") if getattr(request, name) == "auto"]
    if "streams" in found and request.threads is None:
        found.append("threads")
    offline = request.load is not None and request.load.scenario == "Offline"
    if "streams" in found and offline and request.max_batch is None and request.batch_size == 1:
        found.append("max_batch")
    if not is_served(request):
        found = ["threads"] if found else []
    return found


def chosen_layout(request: Request) -> tuple[int, int, int]:
    """Streams, threads of each, and rows of a batch; what is to be calibrated has the value of an unsaid one."""
    streams = request.streams if isinstance(request.streams, int) else 1
    cores = host_threads()
    if request.workload is not None and cores > 1:
        cores -= 1  # for the process that issues the requests, which spins where it can
    share = max(1, cores // ((request.workers or 1) * streams))
    threads = request.threads if isinstance(request.threads, int) else share
    return streams, threads, request.max_batch if isinstance(request.max_batch, int) else request.batch_size


def check_serving(request: Request) -> None:
    """Whether the flags of serving go with what is run.

    Raises:
        UsageError: They do not.
    """
    scenario = request.load.scenario if request.load else request.command
    if request.command in ("predict dataset", "predict urls") and open_axes(request):
        raise UsageError(f"--threads auto is not for {request.command}", hint="give a number, or leave it out")
    if request.max_batch == "auto" and scenario != "Offline":
        raise UsageError("--max-batch auto is for the scenario Offline", hint="give a number, or leave it out")
    if request.queue_capacity is not None and scenario == "Offline":
        raise UsageError("--queue-capacity is for the scenario Server; an Offline query is queued whole")
    if is_served(request):
        return
    said = {
        "--streams": request.streams not in (None, 1, "auto"),
        "--max-batch": request.max_batch not in (None, "auto"),
        "--max-delay": request.max_delay_s > 0,
        "--queue-capacity": request.queue_capacity is not None,
        "--pin": request.pin,
    }
    for flag, given in said.items():
        if given:
            what = "one query at a time, in one stream" if request.load else "batches that are there already"
            raise UsageError(f"{flag} is for the scenarios Server and Offline; {scenario} runs {what}")
