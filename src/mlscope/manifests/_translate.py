"""An original manifest in the words of the own dialect, and where each word came from.

What the original leaves unsaid is filled in as its pipeline (``image_predictor.go``) did it: HWC, RGB, mean 0,
scale 1, resize to the exact size. Two things the original cannot say at all, and they change an accuracy:
decoder and interpolation (OpenCV, bilinear here).
Its crop was parsed and never executed; here ``crop_ratio`` and ``keep_aspect_ratio`` do what they say.

Labels: files named ``synset1001…`` or ``synset1…`` (the TensorFlow manifests) begin with a background class, so the
offset is 1; every other file is taken to have none, because nothing in a manifest tells.
"""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Mapping
from typing import Any, get_args

from mlscope.manifests._fields import ElementType, Task
from mlscope.manifests._original import (
    InputParameters,
    OriginalFiles,
    OriginalInput,
    OriginalManifest,
    OriginalOutput,
)
from mlscope.manifests._suggest import nearest
from mlscope.manifests._yaml import YamlPath

__all__ = ["Translation", "translate"]

_TASKS = {"feature": "classification", "raw_image": "image"}
_CHANNELS_FIRST = ("mxnet", "caffe", "caffe2", "pytorch", "tensorrt")


@dataclasses.dataclass
class Translation:
    """Own-dialect values of an original manifest."""

    data: dict[str, Any]
    origins: dict[YamlPath, YamlPath] = dataclasses.field(default_factory=dict)
    warnings: list[tuple[YamlPath, str]] = dataclasses.field(default_factory=list)
    """Doubts, at places of the original file."""


def translate(original: OriginalManifest, framework: str) -> Translation:
    """Translate an original manifest; the result still has to be validated as an own one.

    Args:
        original: The manifest as written.
        framework: The framework's canonical name.
    """
    found = Translation({})
    inputs = [_input(item, ("inputs", index), found, framework) for index, item in enumerate(original.inputs)]
    if original.output is not None:
        outputs = [_output(original.output, 0, ("output",), found)]
    else:
        outputs = [_output(item, index, ("outputs", index), found) for index, item in enumerate(original.outputs)]
    found.data = {
        "name": original.name,
        "version": original.version,
        "description": original.description or None,
        "task": outputs[0]["type"],
        "license": original.license or None,
        "references": original.references,
        "framework": {
            "name": framework,
            "version": original.framework.version or "*",
            "container": original.framework.container,
        },
        "weights": [_weights(original.model, framework, found)],
        "inputs": inputs,
        "outputs": outputs,
        "hooks": original.hooks,
        "container": original.container,
        "attributes": original.attributes,
        "hidden": original.hidden,
        "modality": original.modality,
    }
    found.origins |= {("hooks", name): (name,) for name in original.hooks}
    return found


def _weights(files: OriginalFiles, framework: str, found: Translation) -> dict[str, Any]:
    found.origins |= {
        ("weights", 0, "graph"): ("model", "graph_path"),
        ("weights", 0, "params"): ("model", "weights_path"),
        ("weights", 0): ("model",),
    }
    for kind, path, checksum in (
        ("graph", files.graph_path, files.graph_checksum),
        ("weights", files.weights_path, files.weights_checksum),
    ):
        if path and not checksum:
            at = ("model", f"{kind}_checksum")
            found.warnings.append((at, f"no {kind}_checksum: nothing tells whether the bytes are the right ones"))
    return {
        "framework": framework,
        "graph": _asset(files, files.graph_path, files.graph_checksum),
        "params": _asset(files, files.weights_path, files.weights_checksum) if files.weights_path else None,
    }


def _asset(files: OriginalFiles, path: str, checksum: str) -> dict[str, Any]:
    if files.is_archive:
        return {"source": _source(files.base_url), "member": path, "md5": checksum or None}
    whole = f"{files.base_url.rstrip('/')}/{path}" if files.base_url else path
    return {"source": _source(whole), "md5": checksum or None}


def _source(address: str) -> str:
    """An address as a source; without a scheme it is a file beside the manifest."""
    return address if re.match(r"[a-z][a-z0-9+.-]*:", address) else f"file:{address}"


def _input(item: OriginalInput, at: YamlPath, found: Translation, framework: str) -> dict[str, Any]:
    given = item.parameters
    place = (*at, "parameters")
    found.origins |= {at: place, (*at, "shape"): (*place, "dimensions"), (*at, "type"): (*at, "type")}
    extra = dict(given.model_extra or {})
    _doubt_unknown(extra, InputParameters.model_fields, place, found)
    common = {
        "name": given.input_layer,
        "description": item.description or None,
        "element_type": _element_type(given.element_type, extra) or "float32",
    }
    if item.type != "image":
        extra |= {"type": item.type} | given.model_dump(exclude_none=True, exclude={"input_layer", "element_type"})
        return {**common, "type": "tensor", "shape": given.dimensions, "parameters": extra}
    channels, height, width = given.dimensions or (3, None, None)
    layout = given.layout or "HWC"
    if given.layout is None and framework in _CHANNELS_FIRST:
        found.warnings.append((place, f"no layout: HWC is assumed, {framework} models mostly want CHW"))
    if given.max_dimension is not None and height is not None:
        extra["max_dimension"] = given.max_dimension
    shape = None
    if height is not None:
        shape = (height, width, channels) if layout == "HWC" else (channels, height, width)
    steps = [{"op": "decode", "library": "opencv"}, *_geometry(given, height, width)]
    if len(steps) > 1:
        message = "the manifest names no decoder and no interpolation: OpenCV and bilinear are assumed"
        found.warnings.append((place, message))
    if given.mean is not None or given.scale is not None:
        mean, scale = (
            value if value is not None else default for value, default in ((given.mean, 0), (given.scale, 1))
        )
        steps.append({"op": "normalize", "mean": mean, "scale": scale})
    return {
        **common,
        "type": "image",
        "shape": shape,
        "layout": layout,
        "color_mode": given.color_mode or ("GRAY" if channels == 1 else "RGB"),
        "steps": steps,
        "parameters": extra,
    }


def _geometry(given: InputParameters, height: int | None, width: int | None) -> list[dict[str, Any]]:
    """Resize and crop as the parameters ask for."""
    resize = {"op": "resize", "library": "opencv", "interpolation": "bilinear"}
    if height is None or width is None:
        if given.max_dimension is None:
            return []
        rule = "long_side" if given.keep_aspect_ratio else "exact"
        return [resize | {"rule": rule, "size": given.max_dimension}]
    ratio = given.crop_ratio if given.crop_ratio is not None else 1.0
    if ratio == 1.0 and not given.keep_aspect_ratio:
        return [resize | {"rule": "exact", "size": (height, width)}]
    method = "top_left" if given.crop_method == "topleft" else "center"
    # int(longer side / ratio): both sides of the crop fit, whatever the picture's proportions
    side = int(max(height, width) / ratio)
    return [
        resize | {"rule": "short_side", "size": side},
        {"op": "crop", "method": method, "size": (height, width)},
    ]


def _output(item: OriginalOutput, index: int, at: YamlPath, found: Translation) -> dict[str, Any]:
    given = item.parameters
    place = (*at, "parameters")
    own: YamlPath = ("outputs", index)
    found.origins |= {
        own: place,
        (*own, "name"): (*place, "probabilities_layer"),
        (*own, "index"): (*place, "probabilities_layer"),
        (*own, "labels"): (*place, "features_url"),
        (*own, "labels", "md5"): (*place, "features_checksum"),
    }
    extra = dict(given.model_extra or {})
    task = _TASKS.get(item.type, item.type if item.type in get_args(Task) else "raw")
    if task != item.type:
        extra["type"] = item.type
    offset, classes = _background(given.features_url)
    if offset:
        message = f"offset {offset} is taken from the name of the labels file; class 0 is background"
        found.warnings.append(((*place, "features_url"), message))
    if given.features_url and not given.features_checksum:
        message = "no features_checksum: nothing tells whether the labels are the right ones"
        found.warnings.append(((*place, "features_url"), message))
    layer = given.probabilities_layer
    return {
        "name": layer if isinstance(layer, str) else None,
        "index": layer if layer is not None and not isinstance(layer, str) else index,
        "description": item.description or None,
        "type": task,
        "element_type": _element_type(given.element_type, extra),
        "transform": given.probabilities_transform or "none",
        "classes": classes,
        "offset": offset,
        "labels": _labels(given.features_url, given.features_checksum),
        "parameters": extra,
    }


def _labels(url: str, checksum: str) -> dict[str, Any] | None:
    return {"source": _source(url), "md5": checksum or None} if url else None


def _background(labels: str) -> tuple[int, int | None]:
    """(offset, classes) as far as the labels file's name tells."""
    name = posixpath.basename(labels)
    if name.startswith("synset1001"):
        return 1, 1001
    return (1, None) if re.match(r"synset1\b", name) else (0, None)


def _element_type(given: str | None, extra: dict[str, Any]) -> str | None:
    """The element type in numpy's words; the original's own word is kept where there is no such type."""
    if given is None or given in get_args(ElementType):
        return given
    extra["element_type"] = given
    return {"raw_image": "uint8", "float": "float32", "double": "float64", "int": "int32"}.get(given, given)


def _doubt_unknown(extra: Mapping[str, Any], known: Mapping[str, Any], place: YamlPath, found: Translation) -> None:
    for key in extra:
        near = nearest(key, known)
        hint = f"; did you mean '{near}'?" if near else ""
        found.warnings.append(((*place, key), f"parameter '{key}' is kept but has no effect{hint}"))
