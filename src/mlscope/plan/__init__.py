"""What will be measured: the request, its resolution, and the frozen plan."""

from mlscope.plan._conf import read_conf
from mlscope.plan._plan import (
    DatasetChoice,
    ExecutionChoice,
    FrameworkChoice,
    LoadChoice,
    ModelChoice,
    Plan,
    SourceChoice,
    WeightsChoice,
)
from mlscope.plan._request import LoadRequest, Request
from mlscope.plan._settings import SETTINGS, Setting, load_settings, settings_reference
from mlscope.plan._trace import recorded_level

__all__ = [
    "SETTINGS",
    "DatasetChoice",
    "ExecutionChoice",
    "FrameworkChoice",
    "LoadChoice",
    "LoadRequest",
    "ModelChoice",
    "Plan",
    "Request",
    "Setting",
    "SourceChoice",
    "WeightsChoice",
    "load_settings",
    "read_conf",
    "recorded_level",
    "settings_reference",
]
