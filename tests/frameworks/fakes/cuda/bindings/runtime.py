"""As much of CUDA's runtime as mlscope uses, in the host's memory. Nothing on a stream is done before it is waited for.

``FAKE_GPUS``: how many there are, ``error`` or ``raise`` where there is no driver.
"""

# mypy: ignore-errors
# ruff: noqa: N801, N802, N815 - names are CUDA's

import ctypes
import enum
import os

from fake_log import STREAMS, note

_MEMORY = {}


class cudaError_t(enum.IntEnum):
    cudaSuccess = 0
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35


class cudaMemcpyKind(enum.IntEnum):
    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class _Properties:
    name, major, minor = os.environ.get("FAKE_GPU", "Fake GPU").encode(), 8, 6


OK = cudaError_t.cudaSuccess


def cudaGetDeviceCount():
    found = os.environ.get("FAKE_GPUS", "1")
    if found == "raise":
        raise RuntimeError("Failed to dlopen libcuda.so.1")
    return (cudaError_t.cudaErrorInsufficientDriver, None) if found == "error" else (OK, int(found))


def cudaGetDeviceProperties(device):
    return OK, _Properties()


def _allocate(size):
    if os.environ.get("FAKE_FULL"):
        return cudaError_t.cudaErrorMemoryAllocation, None
    memory = (ctypes.c_byte * size)()
    _MEMORY[ctypes.addressof(memory)] = memory
    return OK, ctypes.addressof(memory)


def cudaMallocHost(size):
    note("cudaMallocHost", size)
    return _allocate(size)


def cudaMalloc(size):
    note("cudaMalloc", size)
    return _allocate(size)


def cudaFree(address):
    note("cudaFree")
    del _MEMORY[address]
    return (OK,)


def cudaFreeHost(address):
    note("cudaFreeHost")
    del _MEMORY[address]
    return (OK,)


class cudaStream_t:
    def __int__(self):
        return id(self)


def cudaStreamCreate():
    note("cudaStreamCreate")
    stream = cudaStream_t()
    STREAMS[int(stream)] = []
    return OK, stream


def cudaStreamDestroy(stream):
    note("cudaStreamDestroy")
    del STREAMS[int(stream)]
    return (OK,)


def cudaMemcpyAsync(target, source, size, kind, stream):
    note("cudaMemcpyAsync", cudaMemcpyKind(kind).name[-12:], size)
    STREAMS[int(stream)].append(lambda: ctypes.memmove(target, source, size))
    return (OK,)


def cudaStreamSynchronize(stream):
    note("cudaStreamSynchronize")
    for work in STREAMS[int(stream)]:
        work()
    STREAMS[int(stream)].clear()
    return (OK,)
