"""Models and bare loops of each framework, run by the interpreter of its own stack.

``PYTHON in_stack.py make FRAMEWORK FOLDER`` writes a network of eight convolutions in the framework's own format and
prints the file's path; ``PYTHON in_stack.py loop FRAMEWORK FILE THREADS SECONDS`` prints the median time of a call in a
loop as a user without mlscope would write it, in nanoseconds. Neither imports anything of mlscope.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path

import numpy as np

CHANNELS, SIDE, LAYERS = 64, 56, 8
NCHW, NHWC = (1, CHANNELS, SIDE, SIDE), (1, SIDE, SIDE, CHANNELS)


def kernels() -> list[np.ndarray]:
    """Weights of all layers, shape [out, in, 3, 3]."""
    random = np.random.default_rng(0)
    scale = np.sqrt(9 * CHANNELS)
    shape = (CHANNELS, CHANNELS, 3, 3)
    return [(random.standard_normal(shape) / scale).astype(np.float32) for _ in range(LAYERS)]


def make_pytorch(folder: Path) -> Path:
    """An exported program."""
    import torch

    layers = []
    for kernel in kernels():
        layer = torch.nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
        layer.weight.data = torch.from_numpy(kernel)
        layers += [layer, torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers).eval()
    path = folder / "convolutions.pt2"
    torch.export.save(torch.export.export(model, (torch.zeros(NCHW),)), path)
    return path


def _tensorflow_module():
    import tensorflow as tf

    class Network(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernels = [tf.Variable(kernel.transpose(2, 3, 1, 0)) for kernel in kernels()]

        @tf.function(input_signature=[tf.TensorSpec(NHWC, tf.float32, name="x")])
        def serve(self, x):
            for kernel in self.kernels:
                x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME"))
            return {"y": x}

    return Network()


def make_tensorflow(folder: Path) -> Path:
    """A SavedModel in a zip file."""
    import tensorflow as tf

    module = _tensorflow_module()
    tf.saved_model.save(module, str(folder / "saved"), signatures={"serving_default": module.serve})
    return Path(shutil.make_archive(str(folder / "convolutions"), "zip", folder / "saved"))


def make_litert(folder: Path) -> Path:
    """A .tflite file; run in the stack of tensorflow."""
    import tensorflow as tf

    module = _tensorflow_module()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([module.serve.get_concrete_function()], module)
    path = folder / "convolutions.tflite"
    path.write_bytes(converter.convert())
    return path


def make_jax(folder: Path) -> Path:
    """A function written by jax.export."""
    import jax
    from jax import export

    weights = [kernel.transpose(2, 3, 1, 0) for kernel in kernels()]

    def network(x):
        for kernel in weights:
            x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.nn.relu(x)
        return x

    exported = export.export(jax.jit(network))(jax.ShapeDtypeStruct(NHWC, np.float32))
    path = folder / "convolutions.jaxexport"
    path.write_bytes(exported.serialize())
    return path


def make_mxnet(folder: Path) -> Path:
    """A symbol; its parameters are drawn."""
    import mxnet as mx

    x = mx.sym.var("data", shape=NCHW, dtype="float32")
    for number in range(LAYERS):
        x = mx.sym.Convolution(x, kernel=(3, 3), pad=(1, 1), num_filter=CHANNELS, no_bias=True, name=f"conv{number}")
        x = mx.sym.Activation(x, act_type="relu", name=f"relu{number}")
    path = folder / "convolutions.json"
    path.write_text(x.tojson())
    return path


def _call_onnxruntime(path: str, threads: int):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(["y"], {"x": x}), NCHW


def _call_openvino(path: str, threads: int):
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    model.reshape({"x": list(NCHW)})
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(model, "CPU", config).create_infer_request()
    return lambda x: request.infer({0: x}, share_inputs=True, share_outputs=True)[0], NCHW


def _call_pytorch(path: str, threads: int):
    import torch

    torch.set_num_threads(threads)
    torch.set_num_interop_threads(1)
    model = torch.export.load(path).module()

    def call(x):
        with torch.inference_mode():
            return model(torch.from_numpy(x)).numpy()

    return call, NCHW


def _call_tensorflow(path: str, threads: int):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    serve = tf.saved_model.load(str(Path(path).with_name("saved"))).signatures["serving_default"]
    return lambda x: serve(x=tf.constant(x))["y"].numpy(), NHWC


def _call_litert(path: str, threads: int):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=threads)
    interpreter.allocate_tensors()
    source, to = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def call(x):
        interpreter.set_tensor(source, x)
        interpreter.invoke()
        return interpreter.get_tensor(to)

    return call, NHWC


def _call_jax(path: str, threads: int):
    os.environ["NPROC"] = str(threads)
    import jax
    from jax import export

    jax.config.update("jax_platforms", "cpu")
    run = jax.jit(export.deserialize(bytearray(Path(path).read_bytes())).call)
    return lambda x: np.asarray(run(x).block_until_ready()), NHWC


def _call_mxnet(path: str, threads: int):
    os.environ["OMP_NUM_THREADS"] = str(threads)
    import mxnet as mx

    symbol = mx.sym.load(path)
    executor = symbol.simple_bind(mx.cpu(), grad_req="null", data=NCHW)
    for array, kernel in zip(
        [value for name, value in executor.arg_dict.items() if name != "data"], kernels(), strict=True
    ):
        array[:] = kernel
    data = executor.arg_dict["data"]

    def call(x):
        data[:] = x
        return executor.forward(is_train=False)[0].asnumpy()

    return call, NCHW


def loop(framework: str, path: str, threads: int, seconds: float) -> float:
    """Median of the calls, nanoseconds."""
    call, shape = globals()[f"_call_{framework}"](path, threads)
    random = np.random.default_rng(0)
    inputs = [random.standard_normal(shape, np.float32) for _ in range(32)]
    for _ in range(10):
        call(inputs[0])
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        value = inputs[len(times) % 32]
        begin = time.perf_counter_ns()
        call(value)
        times.append(time.perf_counter_ns() - begin)
    return float(np.median(times))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        print(json.dumps(str(globals()[f"make_{sys.argv[2]}"](Path(sys.argv[3])))))
    else:
        print(json.dumps(loop(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))))
