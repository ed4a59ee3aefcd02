"""What will be measured: the request, its resolution, and the frozen plan."""

from mlscope.plan._arrivals import LAWS, Law, Schedule, check_requests, draw_inputs, draw_schedule, parse_law
from mlscope.plan._conf import read_conf
from mlscope.plan._plan import (
    DatasetChoice,
    ExecutionChoice,
    FrameworkChoice,
    LoadChoice,
    ModelChoice,
    Plan,
    Scenario,
    SourceChoice,
    WeightsChoice,
    WorkloadChoice,
)
from mlscope.plan._request import LoadRequest, Request, WorkloadRequest
from mlscope.plan._settings import SETTINGS, Setting, load_settings, settings_reference
from mlscope.plan._trace import parse_trace_level

__all__ = [
    "LAWS",
    "SETTINGS",
    "DatasetChoice",
    "ExecutionChoice",
    "FrameworkChoice",
    "Law",
    "LoadChoice",
    "LoadRequest",
    "ModelChoice",
    "Plan",
    "Request",
    "Scenario",
    "Schedule",
    "Setting",
    "SourceChoice",
    "WeightsChoice",
    "WorkloadChoice",
    "WorkloadRequest",
    "check_requests",
    "draw_inputs",
    "draw_schedule",
    "load_settings",
    "parse_law",
    "parse_trace_level",
    "read_conf",
    "settings_reference",
]
