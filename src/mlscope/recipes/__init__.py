"""Files that are made: models converted by a recipe's script, data sets unpacked from an archive."""

from mlscope.recipes._confine import landlock_version
from mlscope.recipes._dataset import materialise
from mlscope.recipes._kept import provenance
from mlscope.recipes._make import make
from mlscope.recipes._stack import StackFinder

__all__ = ["StackFinder", "landlock_version", "make", "materialise", "provenance"]
