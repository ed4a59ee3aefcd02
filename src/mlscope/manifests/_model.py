"""The model manifest, schema ``mlscope/model/v1``."""

from __future__ import annotations

import ast
import warnings
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from mlscope.manifests._fields import (
    NOT_EMPTY,
    Asset,
    ConstraintText,
    ElementType,
    Flag,
    Free,
    Name,
    Node,
    Number,
    Positive,
    Task,
    Text,
    Whole,
    fault,
)
from mlscope.manifests._packages import RequirementText
from mlscope.manifests._pipeline import check_steps
from mlscope.manifests._recipe import Recipe
from mlscope.manifests._steps import Step

__all__ = [
    "Framework",
    "Hooks",
    "InputSpec",
    "Limits",
    "LoaderSpec",
    "ModelManifest",
    "OutputSpec",
    "ReferenceAccuracy",
    "Weights",
]


class Framework(Node):
    """The framework that the model is made for."""

    name: Name
    """Name or alias of a framework manifest, for instance ``onnxruntime`` or ``litert``."""
    version: ConstraintText = "*"
    """Which versions: ``^1.3``, ``~1.2``, ``>=1,<2``, ``1.2`` (that release line), ``1.4.0`` (exactly), ``*``."""
    container: Free = {}
    """Container images of the framework by architecture (original manifests); kept, not used."""


class Weights(Node):
    """The model's files for one framework: files that exist, or a recipe that makes them."""

    framework: Name
    """Framework that reads these files."""
    graph: Asset | None = None
    """The model file."""
    params: Asset | None = None
    """Second file, where a framework keeps graph and parameters apart (MXNet, Caffe)."""
    recipe: Recipe | None = None
    """How the files are made from others, where there is no `graph`."""
    random_weights: Recipe | None = None
    """How the same network is made with random numbers instead of what was learned (``--random-weights``)."""
    tags: tuple[Name, ...] = ()
    """What ``--weights-tags`` can ask for, beside the names of model and framework."""

    @model_validator(mode="after")
    def _one_origin(self) -> Weights:
        if self.graph is not None and self.recipe is not None:
            raise fault("the files either exist ('graph') or are made ('recipe'), not both", "recipe", key=True)
        if self.graph is None and self.params is not None:
            raise fault("'params' is the second file beside 'graph', which is missing", "params", key=True)
        if self.graph is None and self.recipe is None and self.random_weights is None:
            raise fault("missing key 'graph' (the model file) or 'recipe' (how it is made)")
        return self

    def assets(self) -> dict[tuple[str | int, ...], Asset]:
        """Every file that the entry names, by its place in it."""
        named = {"graph": self.graph, "params": self.params}
        found: dict[tuple[str | int, ...], Asset] = {(role,): asset for role, asset in named.items() if asset}
        for key, recipe in (("recipe", self.recipe), ("random_weights", self.random_weights)):
            found |= {(key, *place): asset for place, asset in (recipe.assets() if recipe else {}).items()}
        return found


class InputSpec(Node):
    """One input tensor, and how a sample becomes it."""

    name: Text | None = None
    """Tensor name; null: the model's only or first input."""
    description: Text | None = None
    """For people."""
    type: Literal["image", "tensor"]
    """``image``: made from a picture by `steps`. ``tensor``: fed as it is."""
    element_type: ElementType = "float32"
    """Element type that the model takes (numpy's name)."""
    shape: tuple[Positive, ...] | None = None
    """Shape without the batch dimension, in the order of `layout`; null: as the pictures are."""
    layout: Literal["HWC", "CHW", "HW"] | None = None
    """Order of the dimensions; images need it."""
    color_mode: Literal["RGB", "BGR", "GRAY"] = "RGB"
    """Order of the channels."""
    steps: tuple[Step, ...] = ()
    """From the picture's file to the tensor, executed in order; layout change and cast to `element_type` come last
    by themselves. A picture that is only decoded must have the size of `shape`."""
    parameters: Free = {}
    """What an original manifest said beside this; kept, not used."""

    @property
    def channels(self) -> int:
        """Channels of the color mode."""
        return 1 if self.color_mode == "GRAY" else 3

    @property
    def height_width(self) -> tuple[int, int] | None:
        """Height and width of an image input; None where the shape is open."""
        if self.shape is None or self.layout is None:
            return None
        return self.shape[self.layout.index("H")], self.shape[self.layout.index("W")]

    @model_validator(mode="after")
    def _consistent(self) -> InputSpec:
        if self.type == "tensor":
            if self.steps:
                raise fault("a tensor input has no steps; they turn pictures into tensors (type: image)", "steps")
            return self
        if self.layout is None:
            raise fault("an image input needs 'layout' (HWC, CHW or HW)")
        if (self.layout == "HW") and self.color_mode != "GRAY":
            raise fault("layout HW has no channels and goes with 'color_mode: GRAY'", "layout")
        self._check_shape(self.layout)
        check_steps(self.steps, self.channels, self.height_width, self.element_type)
        return self

    def _check_shape(self, layout: str) -> None:
        if self.shape is None:
            return
        if len(self.shape) != len(layout):
            raise fault(
                f"layout {layout} has {len(layout)} dimensions, the shape has {len(self.shape)}"
                " (the batch dimension is left out)",
                "shape",
            )
        if "C" in layout and self.shape[layout.index("C")] != self.channels:
            found = self.shape[layout.index("C")]
            raise fault(
                f"{self.color_mode} has {self.channels} channel{'s' * (self.channels > 1)}, "
                f"the shape has {found} at the place of C in {layout}",
                "shape",
            )


class OutputSpec(Node):
    """One output tensor and what it means."""

    name: Text | None = None
    """Tensor name; null: `index` tells which."""
    index: Annotated[Whole, Field(ge=0)] = 0
    """Which output tensor, where no name is given."""
    description: Text | None = None
    """For people."""
    type: Task = "classification"
    """What the tensor holds."""
    element_type: ElementType | None = None
    """Element type that the model gives; null: whatever it gives."""
    transform: Literal["none", "softmax"] = "none"
    """What turns the tensor into probabilities."""
    classes: Positive | None = None
    """Length of the tensor, the background class included; null: whatever the model gives."""
    offset: Annotated[Whole, Field(ge=0)] = 0
    """Background classes at the beginning: label = position - offset."""
    labels: Asset | None = None
    """Text file of class names, one a line, for `classes` or for `classes - offset` classes."""
    parameters: Free = {}
    """What an original manifest said beside this; kept, not used."""

    @model_validator(mode="after")
    def _consistent(self) -> OutputSpec:
        if self.classes is not None and self.offset >= self.classes:
            raise fault(f"offset {self.offset} leaves none of the {self.classes} classes", "offset")
        return self


class Limits(Node):
    """What the model cannot do."""

    max_batch_size: Positive | None = None
    """Largest batch; null: no limit."""


class ReferenceAccuracy(Node):
    """What the model's authors claim."""

    dataset: Text
    """Data set that it was measured on."""
    top1: Annotated[Number, Field(ge=0)] | None = None
    """Fraction, 0 to 1."""
    top5: Annotated[Number, Field(ge=0)] | None = None
    """Fraction, 0 to 1."""
    source: Text | None = None
    """Where the claim stands."""

    @model_validator(mode="after")
    def _fractions(self) -> ReferenceAccuracy:
        for key, value in (("top1", self.top1), ("top5", self.top5)):
            if value is not None and value > 1:
                raise fault(f"a fraction from 0 to 1 is meant; did you mean {value / 100:g}?", key)
        return self


def _python(source: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(source)
    except SyntaxError as error:
        raise fault(f"not valid Python: {error.msg} (line {error.lineno} of the hook)") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise fault(f"not valid Python: {error}") from error
    return source


Source = Annotated[Text, AfterValidator(_python)]


class LoaderSpec(Node):
    """Versions of what decodes and resizes pictures; it runs in an environment of its own."""

    python: Text | None = None
    """Version of its Python; null: mlscope's own."""
    packages: Annotated[tuple[RequirementText, ...], NOT_EMPTY]
    """``opencv-python-headless==4.9.0.80``, ``pillow==10.3.0``; a library that the steps need and that is not named is
    taken in mlscope's own version."""


class Hooks(Node):
    """Python source, each defining a function of the key's name; runs in the loader, only with ``--allow-hooks``."""

    before_preprocess: Source | None = None
    """``before_preprocess(ctx, data: bytes) -> bytes``, before the steps."""
    preprocess: Source | None = None
    """``preprocess(ctx, data: bytes) -> array``, instead of the steps."""
    after_preprocess: Source | None = None
    """``after_preprocess(ctx, array) -> array``, after the steps."""
    before_postprocess: Source | None = None
    """``before_postprocess(ctx, outputs) -> outputs``, on the list of the model's outputs."""
    postprocess: Source | None = None
    """``postprocess(ctx, outputs) -> array`` of class scores, instead of taking the declared output."""
    after_postprocess: Source | None = None
    """``after_postprocess(ctx, scores) -> scores``, on the class scores."""


class ModelManifest(Node):
    """A model: its files, what goes in, what comes out."""

    SCHEMA: ClassVar[str] = "mlscope/model/v1"

    name: Name
    """Name of the model."""
    aliases: tuple[Name, ...] = ()
    """Other names of the model."""
    version: Text
    """Version of the model; 1.0 and 1.0.0 are the same."""
    description: Text | None = None
    """For people."""
    task: Task = "classification"
    """What the model does."""
    license: Text | None = None
    """License of the model, as an SPDX identifier where there is one."""
    references: tuple[Text, ...] = ()
    """Papers and pages."""
    framework: Framework
    """Framework and its versions."""
    weights: tuple[Weights, ...] = ()
    """Files, one entry a framework; a framework without model files (``null``, ``sleep``) has none."""
    inputs: Annotated[tuple[InputSpec, ...], NOT_EMPTY]
    """Input tensors."""
    outputs: Annotated[tuple[OutputSpec, ...], NOT_EMPTY]
    """Output tensors that are read; the first decides."""
    limits: Limits = Limits()
    """What the model cannot do."""
    options: Free = {}
    """Options of the predictor by default; ``--option`` goes over them."""
    reference_accuracy: ReferenceAccuracy | None = None
    """What its authors claim."""
    loader: LoaderSpec | None = None
    """Which versions of libraries make tensors of pictures; null: mlscope's own."""
    hooks: Hooks = Hooks()
    """Python source, run only with ``--allow-hooks``."""
    container: dict[str, dict[str, Text]] = {}
    """Container images by architecture and device (original manifests); kept, not used."""
    attributes: dict[str, Text] = {}
    """Anything else that is worth knowing; values are kept as they were written."""
    hidden: Flag = False
    """Leave it out of lists."""
    modality: Text | None = None
    """Modality (MLHarness manifests); kept, not used."""

    def weights_for(self, framework: str) -> Weights | None:
        """The files for a framework; None where the manifest has none."""
        return next((entry for entry in self.weights if entry.framework == framework), None)

    def assets(self) -> dict[tuple[str | int, ...], Asset]:
        """Every file that the manifest names, by its place in the manifest."""
        found: dict[tuple[str | int, ...], Asset] = {}
        for index, entry in enumerate(self.weights):
            found |= {("weights", index, *place): asset for place, asset in entry.assets().items()}
        for index, output in enumerate(self.outputs):
            if output.labels is not None:
                found["outputs", index, "labels"] = output.labels
        return found
