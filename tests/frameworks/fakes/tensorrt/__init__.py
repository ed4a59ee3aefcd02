"""As much of TensorRT as its predictor uses, computed by numpy and written down call by call.

A "graph" is JSON: ``{"inputs": {name: [type, shape]}, "outputs": …, "factor": f, "quantised": bool}``; every output is
the first input's first columns times the factor. A plan is ``ftrt`` and JSON. Its version is in ``FAKE_TENSORRT``.
"""

# mypy: ignore-errors

import ctypes
import enum
import json
import os

import numpy as np
from fake_log import note

__version__ = os.environ.get("FAKE_TENSORRT", "10.3.0")
_MAJOR = int(__version__.split(".")[0])
_MAGIC = b"ftrt"


class DataType(enum.Enum):
    float32 = "float32"
    int64 = "int64"
    bfloat16 = "bfloat16"


def nptype(kind):
    if kind is DataType.bfloat16:
        raise TypeError("Could not resolve TensorRT datatype to an equivalent numpy datatype.")
    return np.dtype(kind.value).type


class TensorIOMode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


class LayerType(enum.Enum):
    CONVOLUTION = 1
    DEQUANTIZE = 2


class MemoryPoolType(enum.Enum):
    WORKSPACE = 1


_FLAGS = {"TF32": 1} if _MAJOR >= 11 else {"TF32": 1, "FP16": 2, "INT8": 3}
BuilderFlag = enum.Enum("BuilderFlag", _FLAGS)
NetworkDefinitionCreationFlag = enum.IntEnum(
    "NetworkDefinitionCreationFlag", {"STRONGLY_TYPED": 1} if _MAJOR >= 11 else {"EXPLICIT_BATCH": 0}
)
if _MAJOR < 11:

    class IInt8EntropyCalibrator2:
        def __init__(self):
            self.ready = True


class Logger:
    WARNING = 2

    def __init__(self, severity):
        note("Logger")


def init_libnvinfer_plugins(logger, namespace):
    note("init_libnvinfer_plugins")


class _Named:
    def __init__(self, name, dtype, shape):
        self.name, self.dtype, self.shape = name, DataType(dtype), tuple(shape)


class _Layer:
    def __init__(self, kind):
        self.type = kind


class _Network:
    definition = {"inputs": {}, "outputs": {}}

    def _ends(self, role):
        return [_Named(name, *kind) for name, kind in self.definition[role].items()]

    num_inputs = property(lambda self: len(self.definition["inputs"]))
    num_outputs = property(lambda self: len(self.definition["outputs"]))
    num_layers = 2

    def get_input(self, place):
        return self._ends("inputs")[place]

    def get_output(self, place):
        return self._ends("outputs")[place]

    def get_layer(self, place):
        return _Layer(LayerType.DEQUANTIZE if place and self.definition.get("quantised") else LayerType.CONVOLUTION)


class _Error:
    def __init__(self, text):
        self._text = text

    def desc(self):
        return self._text


class OnnxParser:
    def __init__(self, network, logger):
        self._network, self._errors = network, []

    def parse_from_file(self, path):
        note("parse_from_file")
        try:
            with open(path, encoding="utf-8") as file:
                self._network.definition = json.load(file)
        except ValueError:
            self._errors = ["the model is damaged", "no graph"]
            return False
        return True

    num_errors = property(lambda self: len(self._errors))

    def get_error(self, place):
        return _Error(self._errors[place])


class _Profile:
    def __init__(self):
        self.shapes = {}

    def set_shape(self, name, least, usual, most):
        note("set_shape", name, list(least), list(usual), list(most))
        self.shapes[name] = [list(least), list(usual), list(most)]


class _Config:
    def __init__(self):
        self.flags, self.profile, self.int8_calibrator = {"TF32"}, {}, None

    def set_flag(self, flag):
        note("set_flag", flag.name)

    def clear_flag(self, flag):
        note("clear_flag", flag.name)

    def set_memory_pool_limit(self, pool, size):
        note("set_memory_pool_limit", pool.name, size)

    def add_optimization_profile(self, profile):
        note("add_optimization_profile")
        self.profile = profile.shapes


class Builder:
    def __init__(self, logger):
        note("Builder")

    def create_network(self, flags=0):
        note("create_network", flags)
        return _Network()

    def create_builder_config(self):
        return _Config()

    def create_optimization_profile(self):
        return _Profile()

    def build_serialized_network(self, network, config):
        if config.int8_calibrator is not None:
            assert config.int8_calibrator.ready
            note("calibrator", config.int8_calibrator.read_calibration_cache().decode())
        note("build_serialized_network")
        if network.definition.get("unbuildable"):
            return None
        content = {"network": network.definition, "profile": config.profile, "version": __version__}
        return memoryview(_MAGIC + json.dumps(content).encode())


class Runtime:
    def __init__(self, logger):
        pass

    def deserialize_cuda_engine(self, plan):
        note("deserialize_cuda_engine")
        try:
            content = json.loads(bytes(plan)[len(_MAGIC) :])
        except ValueError:
            return None
        return _Engine(content) if content["version"] == __version__ else None


class _Engine:
    def __init__(self, content):
        self.network, self.profile = content["network"], content["profile"]
        self.ends = {**self.network["inputs"], **self.network["outputs"]}

    num_io_tensors = property(lambda self: len(self.ends))

    def get_tensor_name(self, place):
        return list(self.ends)[place]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name in self.network["inputs"] else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        return DataType(self.ends[name][0])

    def get_tensor_shape(self, name):
        return tuple(self.ends[name][1])

    def create_execution_context(self):
        return None if self.network.get("huge") else _Context(self)


class _Context:
    def __init__(self, engine):
        self._engine, self._shapes, self._addresses = engine, {}, {}

    def set_input_shape(self, name, shape):
        note("set_input_shape", name, list(shape))
        declared = self._engine.get_tensor_shape(name)
        if any(have not in (-1, size) for have, size in zip(declared, shape, strict=True)):
            return False
        if name in self._engine.profile and shape[0] > self._engine.profile[name][2][0]:
            return False
        self._shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name):
        if name in self._engine.network["inputs"]:
            return self._shapes[name]
        first = next(iter(self._shapes.values()))
        declared = self._engine.get_tensor_shape(name)
        return (first[0], *declared[1:])

    def set_tensor_address(self, name, address):
        assert isinstance(address, int)
        note("set_tensor_address", name)
        self._addresses[name] = address

    def _array(self, name):
        shape, kind = self.get_tensor_shape(name), np.dtype(nptype(self._engine.get_tensor_dtype(name)))
        count = int(np.prod(shape))
        memory = (ctypes.c_byte * (count * kind.itemsize)).from_address(self._addresses[name])
        return np.frombuffer(memory, kind, count).reshape(shape)

    def execute_async_v3(self, stream_handle):
        from fake_log import STREAMS

        assert isinstance(stream_handle, int)
        note("execute_async_v3")
        if self._engine.network.get("broken"):
            return False

        def compute():
            source = self._array(next(iter(self._engine.network["inputs"])))
            for name in self._engine.network["outputs"]:
                target = self._array(name)
                target[...] = source[:, : target.shape[1]] * self._engine.network.get("factor", 1)

        STREAMS[stream_handle].append(compute)
        return True
