"""The original MLModelScope (and MLHarness) model manifest, as its files are written.

Every field of the original's ``ModelManifest`` is here; :mod:`mlscope.manifests._translate` says what each becomes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from mlscope._schema import Frozen
from mlscope.manifests._fields import (
    NOT_EMPTY,
    ConstraintText,
    Flag,
    Free,
    Name,
    Node,
    Number,
    Numbers,
    Positive,
    Text,
    fault,
)
from mlscope.manifests._model import Source

__all__ = [
    "InputParameters",
    "OriginalInput",
    "OriginalManifest",
    "OriginalOutput",
    "OutputParameters",
]


def _empty(kind: type) -> BeforeValidator:
    """`key:` without a value is as good as absent in the original."""
    return BeforeValidator(lambda value: kind() if value is None else value)


def _checksum(value: str) -> str:
    if value and (len(value) != 32 or any(digit not in "0123456789abcdef" for digit in value.lower())):
        raise fault(f"an MD5 has 32 hexadecimal digits; this has {len(value)} characters")
    return value.lower()


Checksum = Annotated[Text, _empty(str), AfterValidator(_checksum)]
OptionalText = Annotated[Text, _empty(str)]


def _dimensions(value: tuple[int, ...]) -> tuple[int, ...]:
    if len(value) == 4:
        raise fault("the batch dimension must be left out: [channels, height, width]")
    if len(value) not in (1, 3):
        raise fault(f"must be [channels, height, width] or [side], not {len(value)} numbers")
    return value if len(value) == 3 else (3, value[0], value[0])


def _layer(value: Any) -> Any:
    """A layer's position or name."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise fault("a layer is a name, or a position that counts from 0")
    return int(value)


class OriginalFramework(Node):
    """The framework block."""

    name: Name
    version: Annotated[ConstraintText, _empty(str)] = ""
    container: Annotated[Free, _empty(dict)] = {}


class _Parameters(Frozen):
    """A parameter block: known parameters are checked, others kept in `model_extra`."""

    model_config = ConfigDict(extra="allow")


class InputParameters(_Parameters):
    """Parameters of an input that the original's picture pipeline understands."""

    element_type: Text | None = None
    input_layer: Text | None = None
    layout: Literal["CHW", "HWC"] | None = None
    color_mode: Literal["RGB", "BGR"] | None = None
    dimensions: Annotated[tuple[Positive, ...], AfterValidator(_dimensions)] | None = None
    mean: Numbers | None = None
    scale: Numbers | None = None
    max_dimension: Positive | None = None
    keep_aspect_ratio: Flag | None = None
    crop_method: Literal["center", "topleft"] | None = None
    crop_ratio: Annotated[Number, Field(gt=0, le=1)] | None = None

    @model_validator(mode="after")
    def _channels(self) -> InputParameters:
        channels = self.dimensions[0] if self.dimensions else 3
        if channels not in (1, 3):
            raise fault(
                f"dimensions are [channels, height, width] whatever the layout; {channels} channels make no picture",
                "dimensions",
                0,
            )
        for key, value in (("mean", self.mean), ("scale", self.scale)):
            if isinstance(value, tuple) and len(value) not in (1, channels):
                raise fault(f"{key} has {len(value)} numbers for {channels} channels", key)
        return self


class OutputParameters(_Parameters):
    """Parameters of an output that have a place of their own; layers of other tasks are kept as they are."""

    element_type: Text | None = None
    probabilities_layer: Annotated[int | str | None, BeforeValidator(_layer)] = None
    probabilities_transform: Literal["softmax", "none", ""] | None = None
    features_url: OptionalText = ""
    features_checksum: Checksum = ""


class OriginalInput(Node):
    """One input."""

    type: Text
    description: OptionalText = ""
    parameters: Annotated[InputParameters, _empty(dict)] = InputParameters()


class OriginalOutput(Node):
    """The output, or one of MLHarness' outputs."""

    type: Text
    description: OptionalText = ""
    parameters: Annotated[OutputParameters, _empty(dict)] = OutputParameters()


class OriginalFiles(Node):
    """The ``model`` block: where graph and weights are."""

    base_url: OptionalText = ""
    graph_path: OptionalText = ""
    weights_path: OptionalText = ""
    is_archive: Annotated[Flag, _empty(bool)] = False
    graph_checksum: Checksum = ""
    weights_checksum: Checksum = ""

    @model_validator(mode="after")
    def _consistent(self) -> OriginalFiles:
        if not self.graph_path:
            raise fault("missing key 'graph_path'", key=True)
        if self.is_archive and not self.base_url:
            raise fault("is_archive: true needs base_url, the archive's address", "is_archive")
        return self


class OriginalManifest(Node):
    """A whole original manifest."""

    name: Name
    version: Text
    framework: OriginalFramework
    container: Annotated[dict[str, dict[str, Text]], _empty(dict)] = {}
    description: OptionalText = ""
    references: Annotated[tuple[Text, ...], _empty(tuple)] = ()
    license: OptionalText = ""
    inputs: Annotated[tuple[OriginalInput, ...], NOT_EMPTY]
    output: OriginalOutput | None = None
    outputs: Annotated[tuple[OriginalOutput, ...], _empty(tuple)] = ()
    model: OriginalFiles
    attributes: Annotated[dict[str, Text], _empty(dict)] = {}
    hidden: Annotated[Flag, _empty(bool)] = False
    modality: Text | None = None
    before_preprocess: Source | None = None
    preprocess: Source | None = None
    after_preprocess: Source | None = None
    before_postprocess: Source | None = None
    postprocess: Source | None = None
    after_postprocess: Source | None = None

    @model_validator(mode="after")
    def _one_kind_of_output(self) -> OriginalManifest:
        if (self.output is None) == (not self.outputs):
            raise fault("needs either 'output' or 'outputs'", key=True)
        return self

    @property
    def hooks(self) -> dict[str, str | None]:
        """The six pieces of code."""
        return {
            "before_preprocess": self.before_preprocess,
            "preprocess": self.preprocess,
            "after_preprocess": self.after_preprocess,
            "before_postprocess": self.before_postprocess,
            "postprocess": self.postprocess,
            "after_postprocess": self.after_postprocess,
        }
