"""The dataset manifest and the framework manifest."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import model_validator

from mlscope.manifests._archive import Archive
from mlscope.manifests._fields import Asset, Name, Node, Positive, Task, Text, fault
from mlscope.manifests._packages import Pythons, RequirementText, Requires, Suffix

__all__ = ["CsvColumns", "DatasetManifest", "FrameworkManifest"]


class CsvColumns(Node):
    """Which columns of a CSV list are read, by the names in its first line."""

    file: Text = "file"
    """Path of the picture, relative to the folder."""
    label: Text = "label"
    """Index of the class, or its name."""


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
    layout: Literal["val_map", "folders", "csv"] = "val_map"
    """``val_map``: a text file with ``file index`` in each line, files relative to the folder. ``folders``: a folder
    for each class; sorted by name, the position is the class. ``csv``: a list whose first line names its columns."""
    list: Text | None = None
    """The list, relative to the folder; null: ``val_map.txt``, or for ``csv`` ``labels.csv``."""
    columns: CsvColumns | None = None
    """Columns of a ``csv`` list; null: ``file`` and ``label``."""
    class_index: Asset | None = None
    """Text file with ``name index`` in each line: the classes of folders, or of names in a ``csv`` list (ImageNet's
    synsets, for instance); null: names are sorted, and the position is the class."""
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
        if self.layout == "folders" and self.list is not None:
            raise fault("layout folders has no list", "list", key=True)
        if self.layout != "csv" and self.columns is not None:
            raise fault("columns are those of layout csv", "columns", key=True)
        return self

    @property
    def listing(self) -> str:
        """Name of the list."""
        return self.list or ("labels.csv" if self.layout == "csv" else "val_map.txt")

    def assets(self) -> dict[tuple[str | int, ...], Asset]:
        """Every file that the manifest names, by its place in the manifest."""
        named: dict[str, Asset | None] = {
            "labels": self.labels,
            "class_index": self.class_index,
            "archive": self.archive,
        }
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
