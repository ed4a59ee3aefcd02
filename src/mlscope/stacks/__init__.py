"""Which software runs a model, and on which machine: stacks, their locks, and the machine's description."""

from mlscope.stacks._gpu import find_gpu
from mlscope.stacks._host import HostStack, host_stack
from mlscope.stacks._machine import describe_machine
from mlscope.stacks._stack import Stack

__all__ = ["HostStack", "Stack", "describe_machine", "find_gpu", "host_stack"]
