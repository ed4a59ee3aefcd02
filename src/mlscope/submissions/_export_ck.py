"""A v0.5 tree from recorded experiments of Collective Knowledge.

Today's LoadGen does not write the logs of v0.5; CK's experiments hold them. What only a person can say is not in them:
the system and where the weights came from are asked for, the checklist that a submitter signs is left to the submitter.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mlscope._files import explain_os_errors
from mlscope.errors import StoreError, UsageError
from mlscope.results import Evaluation, Filter, Record, Store
from mlscope.submissions._export import Wanted
from mlscope.submissions._layout import Layout, Place, check_name
from mlscope.submissions._merge import merge
from mlscope.submissions._texts import MEASUREMENTS

__all__ = ["CkPlace", "export_ck", "find_ck"]

_SUMMARY, _DETAIL, _ACCURACY = "mlperf_log_summary.txt", "mlperf_log_detail.txt", "mlperf_log_accuracy.json"
_CONF = {
    "qsl_rng_seed": "qsl_rng_seed",
    "sample_index_rng_seed": "sample_index_rng_seed",
    "schedule_rng_seed": "schedule_rng_seed",
    "min_duration_ms": "min_duration",
    "min_query_count": "min_query_count",
}
"""Setting → its key in a conf file of v0.5."""


class CkPlace:
    """The points of one result.

    Attributes:
        accuracy: The accuracy run; None where there is none.
        performance: The performance runs, oldest first.
    """

    def __init__(self) -> None:
        self.accuracy: Evaluation | None = None
        self.performance: list[Evaluation] = []


def find_ck(store: Store, where: Filter) -> list[Evaluation]:
    """The points of CK in a store that name their place in a submission, oldest first.

    Raises:
        StoreError: The store cannot be read.
    """
    records = store.find(where, newest_first=False)
    wanted = [each for each in records if each.kind == "ck" and each.status == "complete" and each.submission]
    return [Evaluation.from_store(store, record.id) for record in wanted]


def group_ck(points: Sequence[Evaluation]) -> dict[tuple[str, str, str], CkPlace]:
    """(system, benchmark, scenario) → its points; of several accuracy runs the newest counts."""
    found: dict[tuple[str, str, str], CkPlace] = {}
    for point in points:
        named = point.record.submission
        if named is None:
            continue
        place = found.setdefault((named.system, named.benchmark, named.scenario), CkPlace())
        if point.record.mode == "AccuracyOnly":
            place.accuracy = point
        elif point.record.loadgen is not None and point.record.loadgen.metric_value is not None:
            place.performance.append(point)
    return dict(sorted(found.items()))


def export_ck(
    points: Sequence[Evaluation], wanted: Wanted, root: Path, *, overwrite: bool = False
) -> list[tuple[Place, CkPlace]]:
    """Write points of CK as a submission to v0.5, all or nothing; what is in the tree already stays.

    Args:
        points: Oldest first.
        wanted: What it is to be; benchmark and system are those that the points name.
        root: Folder of the tree.
        overwrite: Replace results that are there.

    Returns:
        Where each result lies, and its points.

    Raises:
        UsageError: The system file has gaps, or facts about the model are missing.
        StoreError: There are no such points, one of a result's runs is missing, or the tree has it already.
        ResourceError: The disk is full or cannot be written.
    """
    groups = group_ck(points)
    if not groups:
        hint = "mlscope experiments import takes CK's archives"
        raise StoreError("there are no experiments of CK with a place in a submission", hint=hint)
    layout = Layout(wanted.round, wanted.division, check_name("the submitter", wanted.system.get("submitter") or ""))
    with explain_os_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=root) as scratch:
            writer = _Writer(Path(scratch), layout, wanted.system, wanted.facts)
            found = [(writer.write(key, place), place) for key, place in groups.items()]
            folders = [Path(folder) for place, _ in found for folder in layout.folders(place)]
            merge(Path(scratch), root, folders, overwrite=overwrite)
    return found


class _Writer:
    """Writes results of CK into a tree of v0.5.

    Args:
        root: Of the tree.
        layout: Its paths.
        system: The answers of a system file.
        facts: About the model: where its weights came from and so on.
    """

    def __init__(self, root: Path, layout: Layout, system: Mapping[str, str | None], facts: Mapping[str, str]) -> None:
        self._root, self._layout, self._system, self._facts = root, layout, system, facts

    def write(self, key: tuple[str, str, str], points: CkPlace) -> Place:
        """Write all files of a result.

        Raises:
            UsageError: A fact about the model is missing.
            StoreError: One of its runs is missing, or a file is damaged.
        """
        system, benchmark, scenario = key
        place = Place(check_name("the system", system), check_name("the benchmark", benchmark), scenario.lower())
        if points.accuracy is None or not points.performance:
            lacking = "accuracy" if points.accuracy is None else "performance"
            raise StoreError(f"{scenario} of {benchmark} on {system} has no {lacking} run")
        accuracy = self._root / self._layout.accuracy(place)
        _copy(points.accuracy, accuracy)
        found = points.accuracy.record.accuracy
        if found is not None:
            share = 100 * found.top1_good / found.evaluated
            line = f"accuracy={share:.3f}%, good={found.top1_good}, total={found.evaluated}"
            (accuracy / "accuracy.txt").write_text(line)
        for number, point in enumerate(points.performance, 1):
            _copy(point, self._root / self._layout.performance(place, number))
        self._measurements(place, points)
        self._describe(place.system, points.performance[0].record)
        return place

    def _measurements(self, place: Place, points: CkPlace) -> None:
        folder = self._root / self._layout.measurements(place)
        folder.mkdir(parents=True)
        record = points.performance[0].record
        missing = [key for key in MEASUREMENTS if not self._facts.get(key)]
        if missing:
            raise UsageError(
                f"CK's records do not tell the {' and '.join(missing)} of {place.benchmark}",
                hint=f"say it: --measurement {missing[0]}=…",
            )
        facts = json.dumps({key: self._facts[key] for key in MEASUREMENTS}, indent=2, ensure_ascii=False)
        program = record.command.rpartition(":")[2].removesuffix("-loadgen")
        (self._root / self._layout.measurements_json(place, program)).write_text(facts + "\n", encoding="utf-8")
        for name in ("mlperf.conf", "user.conf"):
            (folder / name).write_text("".join(_conf_lines(record)), encoding="utf-8")
        assert points.accuracy is not None
        runs = [points.accuracy.record, *(each.record for each in points.performance)]
        (folder / "README.md").write_text(_readme(place, runs), encoding="utf-8")

    def _describe(self, name: str, record: Record) -> None:
        """The system's JSON: the system file, in its own order."""
        answers = {key: value for key, value in self._system.items() if value is not None}
        framework = f"{record.framework_name} v{record.framework_version}".removesuffix(" v")
        known = {"division": self._layout.division, **answers}
        known.setdefault("framework", framework)
        missing = [key for key in self._layout.round.system_fields if not known.get(key)]
        if missing:
            raise UsageError(f"the system file does not say: {', '.join(missing)}", hint="write it into the file")
        path = self._root / self._layout.system(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known, indent=2, ensure_ascii=False), encoding="utf-8")


def _copy(point: Evaluation, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in (_SUMMARY, _DETAIL, _ACCURACY):
        with point.open(f"loadgen/{name}") as source, (folder / name).open("wb") as target:
            shutil.copyfileobj(source, target)


def _conf_lines(record: Record) -> Iterator[str]:
    """What LoadGen's log says that it used."""
    used = record.loadgen.effective_settings if record.loadgen else {}
    yield "# As LoadGen's log tells it; the experiment does not hold the file.\n"
    for name, key in _CONF.items():
        if isinstance(used.get(name), int | float):
            yield f"*.{record.scenario}.{key} = {used[name]}\n"


def _readme(place: Place, records: Sequence[Record]) -> str:
    lines = [f"# MLPerf Inference v0.5: {place.benchmark}, {records[0].scenario}", ""]
    lines += ["Measured by Collective Knowledge, exported by mlscope.", "", "## Commands", "", "```bash"]
    for record in records:
        env = record.effective.get("choices", {}).get("env", {})
        words = [record.command, *(f"--env.{key}={value}" for key, value in sorted(env.items()))]
        lines += [f"# {record.experiment}", " \\\n  ".join(words)]
    return "\n".join([*lines, "```", ""])
