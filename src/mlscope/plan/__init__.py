"""What will be measured: the request, its resolution, and the frozen plan."""

from mlscope.plan._plan import (
    DatasetChoice,
    ExecutionChoice,
    FrameworkChoice,
    LoadChoice,
    ModelChoice,
    Plan,
    WeightsChoice,
)
from mlscope.plan._request import LoadRequest, Request

__all__ = [
    "DatasetChoice",
    "ExecutionChoice",
    "FrameworkChoice",
    "LoadChoice",
    "LoadRequest",
    "ModelChoice",
    "Plan",
    "Request",
    "WeightsChoice",
]
