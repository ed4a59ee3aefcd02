"""ResNet50_v1 for MXNet, without weights: ``python resnet50_v1.py job.json``.

Writes the graph of Gluon's model zoo (which is that of GluonCV's ``resnet50_v1``: a bottleneck strides in its first 1x1
convolution) as a symbol's JSON to ``outputs.graph``. It takes float32 pictures ``data`` ``[n, 3, 224, 224]`` and gives
1000 logits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mxnet as mx


def main(job_file: str) -> None:
    """Carry out a job."""
    job = json.loads(Path(job_file).read_text())
    network = mx.gluon.model_zoo.vision.resnet50_v1(prefix="resnetv10_")
    data = mx.sym.Variable("data", shape=(0, 3, 224, 224), dtype="float32")
    network(data).save(job["outputs"]["graph"])


if __name__ == "__main__":
    main(sys.argv[1])
