"""Profiles of frameworks: from the raw files that a worker left to layers on the run's clock."""

from mlscope.analyses.profiles._events import Profile
from mlscope.analyses.profiles._layers import Layers, ModelCalls, layers_of, summed_up
from mlscope.analyses.profiles._primitives import Primitive, Primitives, read_primitives, within
from mlscope.analyses.profiles._read import read_profile

__all__ = [
    "Layers",
    "ModelCalls",
    "Primitive",
    "Primitives",
    "Profile",
    "layers_of",
    "read_primitives",
    "read_profile",
    "summed_up",
    "within",
]
