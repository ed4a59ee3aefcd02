"""Which software runs a model, and on which machine: stacks, their locks, and the machine's description."""

from mlscope.stacks._ceilings import known_ceilings, machine_ceilings
from mlscope.stacks._clocks import measure_clocks
from mlscope.stacks._container import ContainerStack
from mlscope.stacks._find import ChosenVersion, Kind, choose_version, find_stack, lock_stack, stack_from_lock
from mlscope.stacks._gpu import find_gpu
from mlscope.stacks._host import HostStack, host_stack
from mlscope.stacks._limits import cpu_stat_file
from mlscope.stacks._machine import describe_machine
from mlscope.stacks._offers import FrameworkState, framework_states
from mlscope.stacks._passport import judge
from mlscope.stacks._sampler import SAMPLER, Meter, Sensors
from mlscope.stacks._stack import Stack
from mlscope.stacks._state import machine_state
from mlscope.stacks._store import StoredStack, about_stack, list_stacks, prune_stacks, remove_stack
from mlscope.stacks._uv import UvStack
from mlscope.stacks._wanted import named_framework

__all__ = [
    "SAMPLER",
    "ChosenVersion",
    "ContainerStack",
    "FrameworkState",
    "HostStack",
    "Kind",
    "Meter",
    "Sensors",
    "Stack",
    "StoredStack",
    "UvStack",
    "about_stack",
    "choose_version",
    "cpu_stat_file",
    "describe_machine",
    "find_gpu",
    "find_stack",
    "framework_states",
    "host_stack",
    "judge",
    "known_ceilings",
    "list_stacks",
    "lock_stack",
    "machine_ceilings",
    "machine_state",
    "measure_clocks",
    "named_framework",
    "prune_stacks",
    "remove_stack",
    "stack_from_lock",
]
