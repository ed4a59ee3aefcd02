"""Pictures of a data set as the tensors that a model takes, for calibration."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlscope._schema import canonical_digest
from mlscope.assets import Progress
from mlscope.errors import DataError
from mlscope.manifests import InputSpec, Recipe, load_dataset
from mlscope.recipes._dataset import have_dataset

if TYPE_CHECKING:
    from mlscope.loader import Dataset

__all__ = ["Samples", "open_samples"]


@dataclasses.dataclass(frozen=True, slots=True)
class Samples:
    """Which pictures, and what is done to them."""

    dataset: Dataset
    spec: dict[str, Any]
    count: int

    @property
    def key(self) -> str:
        """Digest of the data set's list, the steps and the libraries that carry them out."""
        from importlib.metadata import version

        libraries = {name: version(name) for name in ("numpy", "opencv-python-headless", "pillow")}
        wanted = {"dataset": self.dataset.sha256, "spec": self.spec, "count": self.count, "libraries": libraries}
        return canonical_digest(wanted)

    def write(self, path: Path) -> Path:
        """Write the tensors, ``[count, *shape]``, as ``.npy``.

        Raises:
            DataError: A picture cannot be read.
        """
        import numpy as np

        from mlscope.loader import UnreadableError, compile_steps

        run, tensors = compile_steps(self.spec), []
        for row in range(self.count):
            picture = Path(self.dataset.path(row))
            try:
                tensors.append(run(picture.read_bytes()))
            except (OSError, UnreadableError) as error:
                raise DataError(f"the picture cannot be used for calibration: {error}", where=str(picture)) from error
        np.save(path, np.stack(tensors), allow_pickle=False)
        return path.absolute()


def open_samples(
    recipe: Recipe,
    base: Path,
    inputs: InputSpec | None,
    *,
    offline: bool,
    progress: Progress | None,
    warn: Callable[[str], None],
) -> Samples | None:
    """The calibration data of a recipe; None where it has none.

    Raises:
        DataError: The data set cannot be had, or the model's input cannot be made from pictures.
    """
    if recipe.samples is None:
        return None
    if inputs is None or inputs.type != "image" or inputs.shape is None:
        raise DataError("the recipe wants pictures as samples, but the model's input is none of a known shape")
    ref = recipe.samples.dataset
    path = Path(ref)
    found = load_dataset(str(base / path) if path.suffix in {".yml", ".yaml"} else ref)
    dataset = have_dataset(found, offline=offline, progress=progress, warn=warn)
    return Samples(dataset, inputs.model_dump(mode="json"), min(recipe.samples.count, len(dataset)))
