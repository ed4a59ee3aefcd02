"""What is evaluated: manifests of models, data sets and frameworks, in YAML.

Own dialect and the original MLModelScope dialect are read; every fault is reported with file, line and column.
"""

from mlscope.manifests._archive import Archive
from mlscope.manifests._check import check, manifest_files
from mlscope.manifests._constraint import Constraint, same_version
from mlscope.manifests._fields import Asset
from mlscope.manifests._finding import BrokenManifest, Finding
from mlscope.manifests._git import check_out, is_address
from mlscope.manifests._model import (
    Framework,
    Hooks,
    InputSpec,
    Limits,
    LoaderSpec,
    ModelManifest,
    OutputSpec,
    ReferenceAccuracy,
    Weights,
)
from mlscope.manifests._others import CsvColumns, DatasetManifest, FrameworkManifest
from mlscope.manifests._packages import Requires
from mlscope.manifests._recipe import Recipe, RecipeSamples, RecipeStack
from mlscope.manifests._reference import json_schemas, manifest_reference
from mlscope.manifests._registry import (
    Found,
    full_name,
    list_datasets,
    list_frameworks,
    list_models,
    load_dataset,
    load_framework,
    load_model,
)
from mlscope.manifests._skeleton import skeleton_model
from mlscope.manifests._sources import (
    Contents,
    Source,
    add_source,
    list_sources,
    named_source,
    read_source,
    remove_source,
    update_source,
)
from mlscope.manifests._steps import CropStep, DecodeStep, NormalizeStep, QuantizeStep, ResizeStep, Step
from mlscope.manifests._tags import SelectedImages, Tagged, parse_tags, select_by_tags, select_images, select_weights
from mlscope.manifests._write import convert

__all__ = [
    "Archive",
    "Asset",
    "BrokenManifest",
    "Constraint",
    "Contents",
    "CropStep",
    "CsvColumns",
    "DatasetManifest",
    "DecodeStep",
    "Finding",
    "Found",
    "Framework",
    "FrameworkManifest",
    "Hooks",
    "InputSpec",
    "Limits",
    "LoaderSpec",
    "ModelManifest",
    "NormalizeStep",
    "OutputSpec",
    "QuantizeStep",
    "Recipe",
    "RecipeSamples",
    "RecipeStack",
    "ReferenceAccuracy",
    "Requires",
    "ResizeStep",
    "SelectedImages",
    "Source",
    "Step",
    "Tagged",
    "Weights",
    "add_source",
    "check",
    "check_out",
    "convert",
    "full_name",
    "is_address",
    "json_schemas",
    "list_datasets",
    "list_frameworks",
    "list_models",
    "list_sources",
    "load_dataset",
    "load_framework",
    "load_model",
    "manifest_files",
    "manifest_reference",
    "named_source",
    "parse_tags",
    "read_source",
    "remove_source",
    "same_version",
    "select_by_tags",
    "select_images",
    "select_weights",
    "skeleton_model",
    "update_source",
]
