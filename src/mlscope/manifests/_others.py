"""The dataset manifest and the framework manifest."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from mlscope.manifests._archive import Archive
from mlscope.manifests._fields import Asset, Name, Node, Positive, Task, Text, fault
from mlscope.manifests._packages import Pythons, RequirementText, Requires, Suffix

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
    archive: Archive | None = None
    """The archive that holds the data set, where it is no folder."""
    labels: Asset | None = None
    """Text file of class names, one a line."""
    tags: tuple[Name, ...] = ()
    """What ``--images-tags`` can ask for, beside the name."""
    attributes: dict[str, Text] = {}
    """Anything else that is worth knowing."""

    @model_validator(mode="after")
    def _one_place(self) -> DatasetManifest:
        if self.archive is not None and self.path is not None:
            raise fault("the samples lie either in a folder ('path') or in an archive", "archive", key=True)
        if self.archive is not None and self.archive.labelled and self.layout != "val_map":
            raise fault("{label} gives a list as layout val_map has it", "layout")
        return self

    def assets(self) -> dict[tuple[str | int, ...], Asset]:
        """Every file that the manifest names, by its place in the manifest."""
        named: dict[str, Asset | None] = {"labels": self.labels, "archive": self.archive}
        return {(key,): asset for key, asset in named.items() if asset is not None}


class FrameworkManifest(Node):
    """A framework: what it is called, what runs it, and what an environment for it consists of."""

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
    packages: tuple[RequirementText, ...] = ()
    """What an environment of its own consists of, beside numpy and LoadGen; empty: ``package``.

    The version of the first one whose marker holds is the framework's.
    """
    gpu_packages: tuple[RequirementText, ...] = ()
    """The same for runs on a GPU; empty: as ``packages``."""
    requires: tuple[Requires, ...] = ()
    """What such an environment needs besides, by the framework's version."""
    python: Pythons | None = None
    """Versions of Python that there are wheels for; null: the packages tell."""
    note: Text | None = None
    """What to do where its packages are not to be had: the end of an error's line."""
    suffixes: tuple[Suffix, ...] = ()
    """Endings of its model files; none: it needs no file."""
    devices: tuple[Literal["cpu", "gpu"], ...] = ("cpu",)
    """Where it can run."""
