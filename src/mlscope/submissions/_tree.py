"""Trees of MLPerf results: which results there are, and which files belong to each.

::

    closed/SUBMITTER/systems/SYSTEM.json
                     results/SYSTEM/BENCHMARK/SCENARIO/performance/run_N/…, accuracy/…
                     measurements/SYSTEM/BENCHMARK/SCENARIO/…            (in results since v6.0)
                     compliance/SYSTEM/BENCHMARK/SCENARIO/TESTnn/…       (in results since v6.0; v0.5: audit)
                     code/BENCHMARK/…                                    (since v6.0: src; small files)

Nothing here reads more than names. Links are never followed: they could lead out of the tree.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mlscope.errors import DataError

__all__ = ["DIVISIONS", "Result", "find_root", "guess_round", "results_of"]

DIVISIONS = ("closed", "network", "open")
_DEEPEST_ROOT = 3
_RUN = re.compile(r"run_?(\d{1,6})", re.IGNORECASE)
_ROUND = re.compile(r"(?<![\w.])v?(\d\.\d)(?![\d.])")
_SMALL = 256 << 10
"""Bytes: of what lies beside the results only texts are kept."""

Problem = Callable[[Path, str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """One scenario of one benchmark on one system.

    Attributes:
        root: The folder that holds ``closed`` and its like.
        scenario: As the folder is called.
        runs: Number of a performance run → its folder, by number.
        accuracy: Folder of the accuracy run; None where there is none.
    """

    root: Path
    division: str
    submitter: str
    system: str
    benchmark: str
    scenario: str
    runs: dict[int, Path]
    accuracy: Path | None

    @property
    def home(self) -> Path:
        """Folder of everything that the submitter handed in."""
        return self.root / self.division / self.submitter

    @property
    def folder(self) -> Path:
        """Folder of this result."""
        return self.home / "results" / self.system / self.benchmark / self.scenario

    @property
    def name(self) -> str:
        """Path of the result below the root, for messages."""
        return self.folder.relative_to(self.root).as_posix()

    @property
    def system_file(self) -> Path:
        """Description of the system, whether it is there or not."""
        return self.home / "systems" / f"{self.system}.json"

    def files(self, run: int | None) -> Iterator[Path]:
        """Every file that belongs to this result and one of its runs, in no order.

        Args:
            run: Its number; files of other runs are left out. None: those of all runs.

        Raises:
            OSError: A folder cannot be read.
        """
        others = {path for number, path in self.runs.items() if run is not None and number != run}
        yield from _below(self.folder, others)
        for place in ("measurements", "compliance", "audit"):
            yield from _below(self.home / place / self.system / self.benchmark / self.scenario, set())
        yield from (path for path in (self.system_file,) if _is_file(path))
        yield from _small_files(self.home)
        yield from _small_files(self.home / "measurements" / self.system / self.benchmark)
        for place in ("code", "src"):
            yield from _small_files(self.home / place / self.benchmark)


def find_root(path: Path) -> Path:
    """The folder that holds ``closed``, ``open`` or ``network``: `path`, the one above it, or one some levels below.

    Raises:
        DataError: There is none.
    """
    if not path.is_dir():
        raise DataError("there is no such folder", where=str(path))
    level = [path]
    for _ in range(_DEEPEST_ROOT + 1):
        for folder in level:
            if any(_has_submitters(folder / division) for division in DIVISIONS):
                return folder
        level = [entry for folder in level for entry in _folders(folder)][:200]
    if path.name in DIVISIONS and _has_submitters(path):
        return path.absolute().parent
    raise DataError(
        "no tree of MLPerf results: no closed/SUBMITTER/results, open/… or network/… in it",
        where=str(path),
        hint="name the folder that holds closed and open",
    )


def guess_round(root: Path) -> str | None:
    """The round that the folder's own name tells (``inference_results_v5.1``), or that of one above it."""
    for folder in (root.absolute(), *root.absolute().parents[:1]):
        if found := _ROUND.search(folder.name.replace("_", " ")):
            return f"v{found[1]}"
    return None


def results_of(root: Path, problem: Problem) -> Iterator[Result]:
    """Every result of a tree, by name.

    Args:
        root: See :func:`find_root`.
        problem: Hears of what was passed over, with its path.
    """
    for division in DIVISIONS:
        for submitter in _folders(root / division):
            for system in _folders(submitter / "results", problem):
                for benchmark in _folders(system, problem):
                    for scenario in _folders(benchmark, problem):
                        found = _result(root, division, scenario, problem)
                        if found is not None:
                            yield found


def _result(root: Path, division: str, folder: Path, problem: Problem) -> Result | None:
    places = {path.name.lower(): path for path in _folders(folder, problem)}
    runs: dict[int, Path] = {}
    found_runs = _folders(places["performance"], problem) if "performance" in places else []
    for path in sorted(found_runs, key=lambda path: (len(path.name), path.name)):  # run_1 before run_01
        found = _RUN.fullmatch(path.name)
        if found is None:
            if path.name not in ("power", "ranging"):
                problem(path, "no folder of a run (run_1, run_2, …); passed over")
        elif int(found[1]) in runs:
            problem(path, f"a second folder of run {int(found[1])}; passed over")
        else:
            runs[int(found[1])] = path
    accuracy = places.get("accuracy")
    if not runs and accuracy is None:
        problem(folder, "neither performance/run_1 nor accuracy in it; passed over")
        return None
    submitter, _, system, benchmark, scenario = folder.relative_to(root / division).parts
    return Result(root, division, submitter, system, benchmark, scenario, dict(sorted(runs.items())), accuracy)


def _has_submitters(division: Path) -> bool:
    return any((submitter / "results").is_dir() for submitter in _folders(division))


def _folders(path: Path, problem: Problem | None = None) -> list[Path]:
    """The folders in a folder, by name; links are left out."""
    try:
        with os.scandir(path) as entries:
            found = []
            for entry in entries:
                if not entry.name.isprintable():
                    if problem is not None:
                        problem(path, "a folder or file in it has a name that cannot be written; passed over")
                elif entry.is_symlink():
                    if problem is not None:
                        problem(Path(entry.path), "a link; links are not followed")
                elif entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                    found.append(Path(entry.path))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        if problem is not None:
            problem(path, f"cannot be read: {error.strerror}")
        return []
    return sorted(found)


def _below(folder: Path, without: set[Path]) -> Iterator[Path]:
    """Every regular file below a folder but those in the folders `without`."""
    stack = [folder]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        yield Path(entry.path)
                    elif entry.is_dir(follow_symlinks=False) and Path(entry.path) not in without:
                        stack.append(Path(entry.path))
        except (FileNotFoundError, NotADirectoryError):
            continue


def _small_files(folder: Path) -> Iterator[Path]:
    """The small regular files in a folder."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_size <= _SMALL:
                    yield Path(entry.path)
    except (FileNotFoundError, NotADirectoryError):
        return


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()
