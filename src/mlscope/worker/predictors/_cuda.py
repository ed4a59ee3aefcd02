"""Memory and one stream of an NVIDIA GPU, by cuda-python: https://nvidia.github.io/cuda-python/."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

try:
    from cuda.bindings import runtime as cudart
except ImportError:  # before cuda-python 12.6
    from cuda import cudart

from mlscope.worker._problem import Problem

__all__ = ["Buffer", "Stream", "describe_gpu"]


def describe_gpu() -> tuple[str, str]:
    """Name and compute capability of the GPU that is used, the first that CUDA shows.

    Raises:
        Problem: There is none.
    """
    try:
        count = _check(cudart.cudaGetDeviceCount())
    except RuntimeError as error:  # also what an old cuda-python raises where there is no driver
        message = f"tensorrt needs an NVIDIA GPU, and CUDA finds none here: {error}"
        raise Problem("framework", message) from error
    if not count:
        raise Problem("framework", "tensorrt needs an NVIDIA GPU, and CUDA finds none here")
    found = _check(cudart.cudaGetDeviceProperties(0))
    return found.name.decode(errors="replace").rstrip("\0"), f"{found.major}.{found.minor}"


class Buffer:
    """One tensor: pinned memory of the host, seen as the array `values`, and as much memory of the GPU."""

    def __init__(self, element_type: str, shape: tuple[int, ...]) -> None:
        count = int(np.prod(shape, dtype=np.int64))
        size = max(1, count * np.dtype(element_type).itemsize)
        self._host = _check(cudart.cudaMallocHost(size))
        self.address = int(_check(cudart.cudaMalloc(size)))
        memory = memoryview((ctypes.c_byte * size).from_address(int(self._host)))
        self.values: np.ndarray[Any, Any] = np.frombuffer(memory, element_type, count).reshape(shape)

    def view(self, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        """The first values, as an array of this shape."""
        flat: np.ndarray[Any, Any] = self.values.reshape(-1)
        return flat[: int(np.prod(shape, dtype=np.int64))].reshape(shape)

    def upload(self, size: int, stream: Stream) -> None:
        """Begin to copy `size` bytes to the GPU."""
        _check(
            cudart.cudaMemcpyAsync(
                self.address, self._host, size, cudart.cudaMemcpyKind.cudaMemcpyHostToDevice, stream.handle
            )
        )

    def download(self, size: int, stream: Stream) -> None:
        """Begin to copy `size` bytes from the GPU."""
        _check(
            cudart.cudaMemcpyAsync(
                self._host, self.address, size, cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost, stream.handle
            )
        )

    def close(self) -> None:
        """Give both memories back."""
        del self.values
        _check(cudart.cudaFree(self.address))
        _check(cudart.cudaFreeHost(self._host))


class Stream:
    """A queue of work for the GPU."""

    def __init__(self) -> None:
        self.handle = _check(cudart.cudaStreamCreate())

    def wait(self) -> None:
        """Return when everything that was begun is done."""
        _check(cudart.cudaStreamSynchronize(self.handle))

    def close(self) -> None:
        """Give it back."""
        _check(cudart.cudaStreamDestroy(self.handle))


def _check(answer: Any) -> Any:
    """What a call of CUDA gave.

    Raises:
        RuntimeError: It failed.
    """
    error, *found = answer
    if int(error):
        raise RuntimeError(getattr(error, "name", str(error)))
    return found[0] if found else None
