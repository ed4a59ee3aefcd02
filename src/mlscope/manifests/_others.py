"""The dataset manifest and the framework manifest."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from mlscope.manifests._fields import Asset, Name, Node, Positive, Task, Text, fault

__all__ = ["DatasetManifest", "FrameworkManifest"]


class DatasetManifest(Node):
    """A data set: labelled samples in a folder."""

    SCHEMA: ClassVar[str] = "mlscope/dataset/v1"

    name: Name
    """Name of the data set."""
    version: Text
    """Version of the data set."""
    description: Text | None = None
    """For people."""
    task: Task = "classification"
    """What its labels are for."""
    license: Text | None = None
    """License of the data."""
    references: tuple[Text, ...] = ()
    """Papers and pages."""
    classes: Positive
    """How many classes; labels count from 0 to classes - 1."""
    layout: Literal["val_map"] = "val_map"
    """``val_map``: a text file with ``file index`` in each line, files relative to the folder."""
    list: Text = "val_map.txt"
    """The text file, relative to the folder."""
    path: Text | None = None
    """The folder, relative to the manifest; null: ``--dataset-path`` names it."""
    labels: Asset | None = None
    """Text file of class names, one a line."""
    attributes: dict[str, Text] = {}
    """Anything else that is worth knowing."""

    def assets(self) -> dict[tuple[str | int, ...], Asset]:
        """Every file that the manifest names, by its place in the manifest."""
        return {("labels",): self.labels} if self.labels else {}


class FrameworkManifest(Node):
    """A framework: what it is called, and what runs it."""

    SCHEMA: ClassVar[str] = "mlscope/framework/v1"

    name: Name
    """Name of the framework."""
    description: Text | None = None
    """For people."""
    aliases: tuple[Text, ...] = ()
    """Other names; upper and lower case are alike."""
    predictor: Text | None = None
    """Module of ``mlscope.worker.predictors`` that runs it; null: known by name only, for now."""
    package: Text | None = None
    """Python distribution whose version is the framework's; null: it comes with mlscope and has its version."""
    suffixes: tuple[Text, ...] = ()
    """Endings of its model files; none: it needs no file."""
    devices: tuple[Literal["cpu", "gpu"], ...] = ("cpu",)
    """Where it can run."""

    @model_validator(mode="after")
    def _suffixes_begin_with_a_dot(self) -> FrameworkManifest:
        for index, suffix in enumerate(self.suffixes):
            if not suffix.startswith("."):
                raise fault(f"an ending begins with a dot; did you mean '.{suffix}'?", "suffixes", index)
        return self
