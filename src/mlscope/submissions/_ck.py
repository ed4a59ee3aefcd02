"""CK's experiment archives: which points they hold, and the record of each.

Layout (ctuning/ck, ck-analytics, module experiment)::

    .cm/alias-a-experiment, alias-u-…                     the repository's names
    experiment/.cm/alias-a-ENTRY, alias-u-UID             the entries' names
    experiment/ENTRY/.cm/{meta,info,desc}.json            tags, when it was made
    experiment/ENTRY/pipeline.json                        resolved dependencies with their versions
    experiment/ENTRY/ckp-UID.NNNN.json                    a point: choices, features, characteristics of each repetition
    experiment/ENTRY/ckp-UID.{features,features_flat,flat}.json
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlscope.submissions._detail import DETAIL_FILE
from mlscope.submissions._summary import SUMMARY_FILE
from mlscope.submissions._values import canonical_scenario, read_json, tidy_text

__all__ = ["ACCURACY_LOG", "Names", "Point", "accuracy_log", "find_points", "holds_points", "names_of", "write_logs"]

ACCURACY_LOG = "mlperf_log_accuracy.json"
_POINT = re.compile(r"ckp-([0-9a-f]{16})\.(\d{4})\.json")
_OWN = re.compile(r"ckp-([0-9a-f]{16})\.")
_MOST_BYTES = 1 << 30
_MODES = {"performance": "PerformanceOnly", "accuracy": "AccuracyOnly"}
_ATTRIBUTES = {
    "division": "division",
    "platform": "platform",
    "inference_engine": "library",
    "inference_engine_backend": "backend",
    "workload": "benchmark",
    "scenario": "scenario",
    "mode": "mode",
}
"""Tags with a value, of CK's later records → what they name here."""

Problem = Callable[[Path, str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Names:
    """What an entry's tags name; empty where they do not."""

    division: str = ""
    platform: str = ""
    library: str = ""
    backend: str = ""
    benchmark: str = ""
    scenario: str = ""
    mode: str = ""

    @property
    def system(self) -> str:
        """Short name of the system in a submission."""
        return "-".join(part for part in (self.platform, self.library, self.backend) if part)


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    """One repetition of one point.

    Attributes:
        entry: Folder of its entry.
        root: The repository's folder, which holds ``experiment``.
        repetition: From 1.
        data: The point's file.
        meta: The entry's ``.cm/meta.json``; empty where it cannot be read.
        pipeline: The entry's ``pipeline.json``; likewise.
        made_at: When the entry was made; None where it does not say.
        files: Name below the root → file, of the point and of what its entry has in common.
    """

    entry: Path
    root: Path
    repetition: int
    data: dict[str, Any]
    meta: dict[str, Any]
    pipeline: dict[str, Any]
    made_at: datetime | None
    files: dict[str, Path]

    @property
    def run(self) -> dict[str, Any]:
        """What the program said of itself: LoadGen's logs, accuracy, times."""
        found = self.data["characteristics_list"][self.repetition - 1].get("run")
        return found if isinstance(found, dict) else {}

    @property
    def tags(self) -> tuple[str, ...]:
        """The entry's tags."""
        found = self.meta.get("tags")
        return tuple(str(tag) for tag in found) if isinstance(found, list) else ()


def holds_points(folder: Path) -> bool:
    """Whether a folder holds points of CK."""
    return next(_entries(folder), None) is not None


def find_points(folder: Path, problem: Problem) -> Iterator[Point]:
    """Every point of an unpacked archive, by name.

    Args:
        folder: Of the archive, a repository, or one entry.
        problem: Hears of what was passed over, with its path.
    """
    for entry in sorted(_entries(folder)):
        root = entry.parent.parent if entry.parent.name == "experiment" else entry.parent
        meta, pipeline = _object(entry / ".cm" / "meta.json", problem), _object(entry / "pipeline.json", problem)
        made_at = _made_at(meta, _object(entry / ".cm" / "info.json", problem))
        for path in sorted(path for path in entry.iterdir() if _POINT.fullmatch(path.name)):
            data = _object(path, problem)
            count = _repetitions(data)
            if data and not count:
                problem(path, "no point of CK: no characteristics_list; passed over")
            for repetition in range(1, count + 1):
                files = {each.relative_to(root).as_posix(): each for each in _files(root, entry, path)}
                yield Point(entry, root, repetition, data, meta, pipeline, made_at, files)


def _entries(folder: Path) -> Iterator[Path]:
    for place in (folder, *(path for path in sorted(folder.rglob("*")) if path.is_dir() and not path.is_symlink())):
        if any(_POINT.fullmatch(path.name) for path in place.iterdir() if path.is_file()):
            yield place


def _repetitions(data: dict[str, Any]) -> int:
    found = data.get("characteristics_list")
    return len(found) if isinstance(found, list) and all(isinstance(each, dict) for each in found) else 0


def _files(root: Path, entry: Path, point: Path) -> Iterator[Path]:
    """A point's files, those that its entry has in common, and those that give entry and repository their names."""
    own = _OWN.match(point.name)
    for path in sorted(entry.rglob("*")):
        other = _OWN.match(path.name)
        printable = path.relative_to(root).as_posix().isprintable()
        if (
            printable
            and path.is_file()
            and not path.is_symlink()
            and (other is None or own is None or other[1] == own[1])
        ):
            yield path
    for place, wanted in ((entry.parent / ".cm", entry.name), (root / ".cm", entry.parent.name)):
        if entry.parent == root or not place.is_dir():
            continue
        alias = place / f"alias-a-{wanted}"
        uid = alias.read_text(encoding="utf-8", errors="replace").strip() if _plain(alias) else ""
        yield from (path for path in (alias, place / f"alias-u-{uid}") if uid.isalnum() and _plain(path))


def _plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _object(path: Path, problem: Problem) -> dict[str, Any]:
    """A file's JSON object; empty where there is none, with a word about what is wrong."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            problem(path, "larger than a gigabyte; passed over")
            return {}
        found = read_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        problem(path, f"not understood: {error.strerror if isinstance(error, OSError) else error}; passed over")
        return {}
    if not isinstance(found, dict):
        problem(path, "no JSON object; passed over")
        return {}
    return found


def _made_at(meta: dict[str, Any], info: dict[str, Any]) -> datetime | None:
    for source in (meta.get("added"), info.get("control")):
        text = source.get("iso_datetime") if isinstance(source, dict) else None
        try:
            if isinstance(text, str):
                return datetime.fromisoformat(text).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None


def names_of(tags: tuple[str, ...]) -> Names:
    """What tags name.

    Either by their places (``mlperf,closed,task,platform,library[,backend],benchmark,scenario,mode``), or with values
    (``scenario.singlestream``).
    """
    found: dict[str, str] = {}
    for tag in tags:
        name, dot, value = tag.partition(".")
        if dot and name in _ATTRIBUTES:
            found[_ATTRIBUTES[name]] = value
    place = next((index for index, tag in enumerate(tags) if index >= 6 and canonical_scenario(tag)), None)
    if not found and place is not None:
        found = {
            "division": tags[1],
            "platform": tags[3],
            "library": tags[4],
            "backend": "-".join(tags[5 : place - 1]),
            "benchmark": tags[place - 1],
            "scenario": tags[place],
            "mode": tags[place + 1] if len(tags) > place + 1 else "",
        }
    scenario = canonical_scenario(found.get("scenario", "")) or ""
    mode = _MODES.get(found.get("mode", ""), "")
    return Names(**{**{key: tidy_text(value) for key, value in found.items()}, "scenario": scenario, "mode": mode})


def write_logs(run: dict[str, Any], folder: Path) -> None:
    """Write the logs that a point holds as LoadGen wrote them.

    Args:
        run: See :attr:`Point.run`.
        folder: It exists.

    Raises:
        OSError: The folder cannot be written.
    """
    logs = run.get("mlperf_log")
    if not isinstance(logs, dict):
        return
    for key, name in (("summary", SUMMARY_FILE), ("detail", DETAIL_FILE)):
        lines = logs.get(key)
        if isinstance(lines, list) and lines:
            (folder / name).write_text("".join(map(str, lines)), encoding="utf-8", newline="")
    if isinstance(logs.get("accuracy"), list):
        (folder / ACCURACY_LOG).write_text(accuracy_log(logs["accuracy"]), encoding="utf-8", newline="")


def accuracy_log(entries: list[Any]) -> str:
    """An accuracy log as CK's scripts wrote it into submissions."""
    return json.dumps(entries, indent=2, sort_keys=True)
