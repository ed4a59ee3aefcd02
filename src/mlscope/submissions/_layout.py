"""Where the files of a submission lie: paths of a tree, by round.

Until v5.1 conf files and compliance tests lie apart from the results; since v6.0 they lie in the result's own folder.
Source: mlcommons/inference, `tools/submission/submission_checker/constants.py`; for v0.5 the published trees.
"""

from __future__ import annotations

import dataclasses
import re
from pathlib import PurePosixPath as Path
from typing import Literal

from mlscope.errors import UsageError
from mlscope.submissions._rounds import Round

__all__ = ["DIVISIONS", "Division", "Layout", "Place", "check_name"]

Division = Literal["closed", "open"]
DIVISIONS: tuple[Division, ...] = ("closed", "open")

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+@() -]*[A-Za-z0-9._+@()-])?")


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Place:
    """One result: a scenario of a benchmark on a system."""

    system: str
    benchmark: str
    scenario: str
    """As its folder is called: `SingleStream`, in v0.5 `singlestream`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one submitter in one division, relative to the root of the tree."""

    round: Round
    division: str
    submitter: str

    @property
    def base(self) -> Path:
        """All that the submitter has in the division."""
        return Path(self.division, self.submitter)

    @property
    def model_mapping(self) -> Path:
        """Own names of models → official ones (open division)."""
        return self.base / "model_mapping.json"

    def system(self, name: str) -> Path:
        """The system's description."""
        return self.base / "systems" / f"{name}.json"

    def code(self, benchmark: str) -> Path:
        """Folder of the implementation."""
        return self.base / self.round.code_folder / benchmark

    def result(self, place: Place) -> Path:
        """Folder of a result."""
        return self._below("results", place)

    def accuracy(self, place: Place) -> Path:
        """Folder of the accuracy run."""
        return self.result(place) / "accuracy"

    def performance(self, place: Place, run: int = 1) -> Path:
        """Folder of a performance run, counted from 1."""
        return self.result(place) / "performance" / f"run_{run}"

    def measurements(self, place: Place) -> Path:
        """Folder of the conf files."""
        return self._below(self.round.measurements_folder or "results", place)

    def measurements_json(self, place: Place, implementation: str) -> Path:
        """How the model was made and run."""
        if self.round.measurements_folder is None:
            name = "measurements.json"
        elif self.round.name == "v0.5":
            name = f"{place.system}_{implementation}.json"
        else:
            name = f"{place.system}_{implementation}_{place.scenario}.json"
        return self.measurements(place) / name

    def compliance(self, place: Place, test: str) -> Path:
        """Folder of a compliance test."""
        return self._below(self.round.compliance_folder or "results", place) / test

    def folders(self, place: Place) -> tuple[Path, ...]:
        """All folders that belong to a result alone; some of them may be one."""
        named = ("results", self.round.measurements_folder, self.round.compliance_folder)
        return tuple(dict.fromkeys(self._below(each, place) for each in named if each))

    def _below(self, folder: str, place: Place) -> Path:
        return self.base / folder / place.system / place.benchmark / place.scenario


def check_name(what: str, name: str) -> str:
    """The name, if it can be that of a folder on any machine.

    Args:
        what: What it names, for the message.
        name: The name.

    Raises:
        UsageError: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{what} is the name of a folder in the tree, and {name!r} cannot be one",
            hint="use letters, digits and . _ + -",
        )
    return name
