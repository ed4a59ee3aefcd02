"""Files that are made: models converted by a recipe's script, data sets from an archive, prepared pictures."""

from mlscope.recipes._confine import landlock_version
from mlscope.recipes._dataset import have_dataset, materialise
from mlscope.recipes._kept import provenance
from mlscope.recipes._make import make
from mlscope.recipes._prepared import PreparedPictures, Watcher, cannot_prepare, prepare_pictures
from mlscope.recipes._prune import PreparedEntry, list_prepared, prune_prepared
from mlscope.recipes._stack import StackFinder

__all__ = [
    "PreparedEntry",
    "PreparedPictures",
    "StackFinder",
    "Watcher",
    "cannot_prepare",
    "have_dataset",
    "landlock_version",
    "list_prepared",
    "make",
    "materialise",
    "prepare_pictures",
    "provenance",
    "prune_prepared",
]
