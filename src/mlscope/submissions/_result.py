"""One result of a submission: the files of a scenario, written from its runs."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlscope.errors import StoreError
from mlscope.submissions._accuracy import imagenet_accuracy
from mlscope.submissions._compliance import Score, verify_test01, verify_test01_speed, verify_test04
from mlscope.submissions._detail import read_detail
from mlscope.submissions._layout import Layout, Place
from mlscope.submissions._parts import Measured, Part, group_parts
from mlscope.submissions._rounds import Round
from mlscope.submissions._texts import measurements, result_readme
from mlscope.submissions._truncate import truncate_log

__all__ = ["ResultWriter", "verify_tests"]

_SUMMARY, _DETAIL, _ACCURACY = "mlperf_log_summary.txt", "mlperf_log_detail.txt", "mlperf_log_accuracy.json"


@dataclasses.dataclass(frozen=True, slots=True)
class ResultWriter:
    """Writes results into a tree.

    The originals of truncated logs stay in the run folders.
    """

    root: Path
    layout: Layout
    facts: Mapping[str, str]
    """What the user says about the model instead of its manifest."""
    scratch: Path
    """Folder for files that are not kept."""

    def write(self, place: Place, measured: Measured, notes: Sequence[str]) -> list[str]:
        """Write all files of a result.

        Args:
            place: Which result.
            measured: Its runs.
            notes: Paragraphs that its README begins with.

        Returns:
            As for :meth:`write_logs`.

        Raises:
            StoreError: A run has no such file, or it is damaged.
            UsageError: The manifest leaves facts open.
            ResourceError: The disk is full.
        """
        faults = self.write_logs(place, measured)
        self._measurements(place, measured, notes)
        if self.layout.round.truncates:
            for folder in (self.layout.accuracy(place), self.layout.compliance(place, "TEST01") / "accuracy"):
                if (self.root / folder).is_dir():
                    self._truncate(self.root / folder)
        return faults

    def write_logs(self, place: Place, measured: Measured) -> list[str]:
        """Write LoadGen's logs, whole, with accuracies and verified compliance tests.

        Returns:
            What compliance tests failed in, a clause each.

        Raises:
            StoreError: A run has no such file, or it is damaged.
            ResourceError: The disk is full.
        """
        labels = self._labels(measured.accuracy)
        accuracy = self.root / self.layout.accuracy(place)
        self._copy(measured.accuracy, accuracy, _SUMMARY, _DETAIL, _ACCURACY)
        self._accuracy(accuracy, labels)
        self._copy(measured.performance, self.root / self.layout.performance(place), _SUMMARY, _DETAIL)
        faults = []
        for test, part in measured.tests().items():
            faults += self._test(place, test, part, labels)
        return faults

    def _labels(self, part: Part) -> Path:
        """The labels as a val_map.txt: the accuracy run's predictions hold them."""
        predictions = part.evaluation.predictions()
        index, label = predictions["sample_index"].tolist(), predictions["label"].tolist()
        known = dict(zip(index, label, strict=True))
        path = self.scratch / "val_map.txt"
        path.write_text("".join(f"{row} {known.get(row, -1)}\n" for row in range(max(known, default=-1) + 1)))
        return path

    def _copy(self, part: Part, folder: Path, *names: str) -> None:
        folder.mkdir(parents=True)
        for name in names:
            with part.evaluation.open(f"loadgen/{name}") as source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target)

    def _accuracy(self, folder: Path, labels: Path) -> None:
        found = imagenet_accuracy(folder / _ACCURACY, labels)
        (folder / "accuracy.txt").write_text(f"{found.line}\n")

    def _truncate(self, folder: Path) -> None:
        backup = self.scratch / "whole.json"
        truncate_log(folder / _ACCURACY, folder / "accuracy.txt", backup)
        backup.unlink(missing_ok=True)

    def _measurements(self, place: Place, measured: Measured, notes: Sequence[str]) -> None:
        part = measured.performance
        folder = self.root / self.layout.measurements(place)
        folder.mkdir(parents=True, exist_ok=True)
        load = part.plan.load
        assert load is not None
        if load.user_conf is None:
            raise StoreError(f"{part.describe()} had no user.conf", hint="mlscope submission run measures with one")
        (folder / "user.conf").write_text(load.user_conf, encoding="utf-8")
        readme = result_readme(measured, self.layout.round.name, notes)
        (folder / "README.md").write_text(readme, encoding="utf-8")
        facts = json.dumps(measurements(part.plan, self.facts), indent=2, ensure_ascii=False) + "\n"
        name = self.layout.measurements_json(place, f"mlscope-{part.plan.framework.name}")
        (self.root / name).write_text(facts, encoding="utf-8")

    def _test(self, place: Place, test: str, part: Part, labels: Path) -> list[str]:
        """A compliance test with its verification."""
        folder = self.root / self.layout.compliance(place, test)
        performance = folder / "performance" / "run_1"
        self._copy(part, performance, _SUMMARY, _DETAIL)
        reference = Score.of(read_detail(self.root / self.layout.performance(place) / _DETAIL).values)
        speed = verify_test01_speed if test == "TEST01" else verify_test04
        verified = {"performance": speed(reference, Score.of(read_detail(performance / _DETAIL).values))}
        if test == "TEST01":
            self._copy(part, folder / "accuracy", _ACCURACY)
            self._accuracy(folder / "accuracy", labels)
            log = self.root / self.layout.accuracy(place) / _ACCURACY
            verified["accuracy"] = verify_test01(log, folder / "accuracy" / _ACCURACY)
        faults = []
        for what, verification in verified.items():
            (folder / f"verify_{what}.txt").write_text(verification.text)
            if not verification.passed:
                said = "; ".join(verification.lines[1:] or verification.lines)
                faults.append(f"{place.scenario} failed {test} ({what}): {said}")
        return faults


def verify_tests(parts: Sequence[Part], round_: Round) -> list[str]:
    """What the compliance tests of runs failed in, a clause each.

    Args:
        parts: Runs, newest first. Tests whose accuracy or performance run is not among them are left out.
        round_: Whose tests they are.
    """
    faults = []
    for subject, found in group_parts(parts).items():
        for measured in found:
            if measured.whole and measured.tests():
                with tempfile.TemporaryDirectory(prefix="mlscope-tests-") as folder:
                    layout = Layout(round_, "closed", "none")
                    writer = ResultWriter(Path(folder), layout, {}, Path(folder))
                    faults += writer.write_logs(Place("none", subject.model_name, measured.scenario), measured)
    return faults
