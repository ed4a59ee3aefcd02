"""How long `mlscope submission check` takes for 600 results, 20,000 files: `python -m benchmarks.submission_check`."""

from __future__ import annotations

import json
import resource
import shutil
import tempfile
import time
from pathlib import Path

from tests.submissions.small_trees import SCENARIOS, SYSTEM, build, detail_log, values, write

from mlscope.submissions import check_submission

_SYSTEMS = 200
_LINES = 70  # that a detail log of today has beyond those that the tree of the tests writes


def _write(root: Path) -> None:
    """A closed submission of many systems, its logs as long as real ones."""
    tree = build(root)
    for log in list(root.rglob("mlperf_log_detail.txt")):
        scenario = next(each for each in SCENARIOS if f"/{each}/" in log.as_posix())
        more: dict[str, object] = {f"logger_{n}": n for n in range(_LINES)}
        more["loaded_qsl_set"] = list(range(1024))
        log.write_text(log.read_text() + detail_log({"of": str(log)} | more | {"x": len(values("v6.1", scenario))}))
    for scenario in SCENARIOS:
        for name in ("os_info.json", "cpu_info.json", "pip_freeze.json", "mlc-version-info.json", "model-info.json"):
            write(tree.result(scenario) / name, json.dumps({"a": [0] * 100}))
        for run in (tree.run(scenario), *(tree.test_run(scenario, test) for test in ("TEST01", "TEST04"))):
            write(run / "mlperf_log_accuracy.json", "[\n]\n")
            write(run / "mlperf_log_trace.json", "")
            write(run / "results.json", "{}")
    for number in range(1, _SYSTEMS):
        shutil.copytree(tree.base / "results" / SYSTEM, tree.base / "results" / f"{SYSTEM}-{number}")
        shutil.copy(tree.system, tree.system.with_name(f"{SYSTEM}-{number}.json"))


def main() -> None:
    """Print the time, and the memory that the whole process took."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder))
        files = sum(path.is_file() for path in Path(folder).rglob("*"))
        begin = time.perf_counter()
        report = check_submission(Path(folder))
        took = time.perf_counter() - begin
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(report.results)} results, {files} files, {len(report.findings)} findings: {took:.1f} s, {memory:.0f} MiB"
    )


if __name__ == "__main__":
    main()
