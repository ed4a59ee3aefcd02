"""Environment variables that change how fast, or what, a framework computes."""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["telling_variables"]

_PREFIXES = (
    *("OMP_", "GOMP_", "KMP_", "LIBOMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "VECLIB_", "NUMEXPR_", "TBB_"),
    *("ORT_", "ONNXRUNTIME_", "TF_", "TFLITE_", "XNNPACK_", "XLA_", "TORCH_", "PYTORCH_", "ATEN_", "MXNET_"),
    *("ONEDNN_", "DNNL_", "OPENVINO_", "OV_", "TVM_", "NCNN_", "MNN_", "OPENCV_", "CUDA_", "CUBLAS_", "CUDNN_"),
    *("NVIDIA_", "TENSORRT_", "ROCR_", "HIP_", "MIOPEN_", "JEMALLOC_", "MALLOC_", "TCMALLOC_", "GLIBC_"),
)
_NAMES = {
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONHASHSEED", "PYTHONMALLOC", "PYTHONOPTIMIZE", "PYTHON_GIL"),
    *("GPU_DEVICE_ORDINAL", "TZ", "LANG", "LC_ALL"),
}
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|AUTH|(^|_)(API_?)?KEY($|_)|PRIVATE|SIGNATURE")


def telling_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables whose value belongs to a result; none that may hold a secret."""
    return {
        name: re.sub(r"//[^/\s]*@", "//", value)
        for name, value in sorted(environment.items())
        if (name in _NAMES or name.startswith(_PREFIXES)) and not _SECRET.search(name.upper())
    }
