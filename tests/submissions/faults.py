"""Every way in which a submission can be wrong that the check knows: one change to a tree that passes, and its rule."""

from __future__ import annotations

import dataclasses
import os
import shutil

from tests.submissions.small_trees import ACCURACY, Change, Tree, accuracy_log, write

SS, MS, OFF = "SingleStream", "MultiStream", "Offline"
DETAIL, SUMMARY = "mlperf_log_detail.txt", "mlperf_log_summary.txt"


@dataclasses.dataclass(frozen=True)
class Fault:
    """One change, and what it shall be reported as."""

    name: str
    rule: str
    change: Change
    division: str = "closed"
    round_name: str = "v6.1"
    severity: str = "error"
    benchmark: str = "resnet50"
    official: str | None = None
    """What the official checker does, where that is not what the rule says of it."""


def _edit_system(**changes: object) -> Change:
    return lambda tree: tree.edit_json(tree.system, **changes)


def _edit_run(scenario: str = SS, **changes: object) -> Change:
    return lambda tree: tree.edit(tree.run(scenario), **changes)


def _edit_accuracy(**changes: object) -> Change:
    return lambda tree: tree.edit(tree.accuracy(SS), **changes)


def _tell_accuracy(line: str) -> Change:
    def change(tree: Tree) -> None:
        path = tree.accuracy(SS) / "accuracy.txt"
        write(path, path.read_text().replace(ACCURACY, line))

    return change


def _another_rounds_seeds(tree: Tree) -> None:
    tree.edit(tree.run(SS), effective_qsl_rng_seed=2465351861681999779)


def _without_hash(tree: Tree) -> None:
    write(tree.accuracy(SS) / "accuracy.txt", ACCURACY)


def _whole_log(tree: Tree) -> None:
    write(tree.accuracy(SS) / "mlperf_log_accuracy.json", accuracy_log(2000))


def _cut_by_count(tree: Tree) -> None:
    tree.edit(tree.run(SS), effective_max_query_count=400, result_query_count=400, power_end="11-26-2026 05:49:51.671")


def _cut_log(tree: Tree) -> None:
    path = tree.run(SS) / DETAIL
    write(path, path.read_bytes()[:-40])


def _failed_answers(tree: Tree) -> None:
    write(tree.test(SS, "TEST01") / "verify_accuracy.txt", "num_perf_log_data_mismatch = 3\nTEST FAIL\n")


def _accuracies_differ(tree: Tree) -> None:
    _failed_answers(tree)
    for name, line in (("baseline", "accuracy=76.456%"), ("compliance", "accuracy=70.000%")):
        write(tree.test(SS, "TEST01") / "accuracy" / f"{name}_accuracy.txt", line)


def _empty_folder(tree: Tree) -> None:
    (tree.base / "documentation" / "nothing").mkdir(parents=True)


def _link(tree: Tree) -> None:
    os.symlink("README.md", tree.measurements(SS) / "README-2.md")


def _large_file(tree: Tree) -> None:
    path = tree.base / "src" / "weights.onnx"
    write(path, b"")
    os.truncate(path, 51 * 2**20)


def _second_submitter(tree: Tree) -> None:
    shutil.copytree(tree.base, tree.base.parent / "other")
    for path in (tree.base.parent / "other" / "systems").iterdir():
        tree.edit_json(path, submitter="other")


def _same_log(tree: Tree) -> None:
    for name in (DETAIL, SUMMARY):
        shutil.copy(tree.test_run(SS, "TEST01") / name, tree.test_run(MS, "TEST01") / name)
        shutil.copy(tree.test_run(SS, "TEST01") / name, tree.test_run(SS, "TEST04") / name)


def _inferred_wrongly(tree: Tree) -> None:
    for folder in ("performance", "accuracy"):
        shutil.rmtree(tree.result(SS) / folder)
        shutil.copytree(tree.result(OFF) / folder, tree.result(SS) / folder)


def _inferred(tree: Tree) -> None:
    shutil.rmtree(tree.result(OFF))
    shutil.copytree(tree.result(SS), tree.result(OFF))


def _inferred_in_a_datacenter(tree: Tree) -> None:
    tree.edit_json(tree.system, system_type="datacenter")
    _inferred(tree)


def _power(tree: Tree) -> None:
    write(tree.run(SS).parent / "power" / "client.json", "{}")


def _other_benchmark(tree: Tree) -> None:
    shutil.copytree(tree.result(SS).parent, tree.result(SS).parents[1] / "bert-99")


def _extra_scenario(tree: Tree) -> None:
    shutil.copytree(tree.result(OFF), tree.result("Server"))


def _rename_scenario(tree: Tree) -> None:
    tree.result(OFF).rename(tree.result("offline"))


def _server(tree: Tree) -> None:
    tree.edit(
        tree.run(SS),
        effective_scenario="Server",
        effective_target_latency_ns=20_000_000,
        result_completed_samples_per_sec=80.5,
    )


FAULTS = (
    # Table B7: what the official checker was provoked with.
    Fault("min-duration-of-10-s", "run-min-duration", _edit_run(effective_min_duration_ms=10_000)),
    Fault("open-min-duration", "run-min-duration", _edit_run(effective_min_duration_ms=10_000), division="open"),
    Fault("no-model-mapping", "benchmark-unknown", lambda tree: None, division="open", benchmark="my-net"),
    Fault("not-truncated", "accuracy-not-truncated", _whole_log),
    Fault("without-hash", "accuracy-hash", _without_hash),
    Fault("open-without-hash", "accuracy-hash", _without_hash, "open", severity="warning", official="prints"),
    Fault("wrong-round", "run-seeds", _another_rounds_seeds),
    Fault("accuracy-of-500-pictures", "accuracy-samples", _edit_accuracy(effective_accuracy_sample_count=500)),
    Fault(
        "open-accuracy-of-500-pictures",
        "accuracy-samples",
        _edit_accuracy(effective_accuracy_sample_count=500),
        division="open",
    ),
    Fault("accuracy-too-low", "accuracy-target", _tell_accuracy("accuracy=75.000%, good=37500, total=50000\n")),
    Fault("no-readme", "measurements-file", lambda tree: (tree.measurements(SS) / "README.md").unlink()),
    Fault("empty-user-conf", "measurements-file", lambda tree: write(tree.measurements(SS) / "user.conf", "")),
    Fault(
        "retraining-not-told",
        "measurements-field",
        lambda tree: tree.edit_json(tree.measurements_json(SS), retraining=""),
    ),
    Fault("no-src", "code-missing", lambda tree: shutil.rmtree(tree.base / "src")),
    Fault("src-named-code", "code-missing", lambda tree: (tree.base / "src").rename(tree.base / "code")),
    Fault("number-0-in-system", "system-field-empty", _edit_system(accelerators_per_node=0)),
    Fault("no-multistream", "scenario-missing", lambda tree: shutil.rmtree(tree.result(MS))),
    Fault("no-test04", "compliance-missing", lambda tree: shutil.rmtree(tree.test(SS, "TEST04"))),
    Fault("no-system", "system-missing", lambda tree: tree.system.unlink()),
    Fault("datacenter", "benchmark-category", _edit_system(system_type="datacenter")),
    # … and what it lets through.
    Fault("invalid", "run-invalid", _edit_run(result_validity="INVALID")),
    Fault("cut-by-max-query-count", "run-cut", _cut_by_count),
    Fault("cut-short", "run-short", _cut_by_count),
    Fault("extra-file-in-run", "extra-file", lambda tree: write(tree.run(SS) / "notes.bin", "x")),
    Fault("extra-file-at-root", "extra-file", lambda tree: write(tree.root / "run.sh", "x")),
    Fault("extra-folder-at-root", "extra-file", lambda tree: write(tree.root / "closed2" / "x.md", "x")),
    Fault("file-in-division", "extra-file", lambda tree: write(tree.root / "closed" / "x.md", "x")),
    Fault(
        "no-test01-accuracy",
        "compliance-accuracy-log",
        lambda tree: shutil.rmtree(tree.test(SS, "TEST01") / "accuracy"),
    ),
    Fault("no-calibration", "calibration", lambda tree: shutil.rmtree(tree.base / "documentation"), severity="warning"),
    Fault(
        "system-without-results",
        "system-unused",
        lambda tree: shutil.copy(tree.system, tree.system.with_name("b.json")),
    ),
    Fault("max-duration", "run-cut", _edit_run(effective_max_duration_ms=60_000)),
    Fault("least-duration-not-met", "run-short", _edit_run(result_min_duration_met=False)),
    Fault("least-queries-not-met", "run-short", _edit_run(result_min_queries_met=False)),
    Fault("4-samples-per-query", "run-samples-per-query", _edit_run(MS, effective_samples_per_query=4)),
    Fault("percentile-of-50", "run-percentile", _edit_run(effective_target_latency_percentile=0.5)),
    Fault("loadgen-errors", "run-errors", lambda tree: tree.edit(tree.run(SS), "Ran out of generated queries")),
    # The rest of section B5, file by file.
    Fault("system-no-json", "system-broken", lambda tree: write(tree.system, "{")),
    Fault("system-a-list", "system-broken", lambda tree: write(tree.system, "[]")),
    Fault("system-field-missing", "system-field", _edit_system(cooling=None)),
    Fault("accelerators-not-counted", "system-field-kind", _edit_system(accelerators_per_node="none")),
    Fault("notes-in-a-list", "system-field-kind", _edit_system(sw_notes=["a"], hw_notes="b")),
    Fault("system-status", "system-status", _edit_system(status="soon")),
    Fault("system-type", "system-type", _edit_system(system_type="phone"), "open"),
    Fault("system-submitter", "system-submitter", _edit_system(submitter="other")),
    Fault("system-division", "system-division", _edit_system(division="open")),
    Fault("system-network", "system-network", _edit_system(is_network="true")),
    Fault("mapping-no-json", "mapping-broken", lambda tree: write(tree.base / "model_mapping.json", "{"), "open"),
    Fault("another-scenario", "scenario-unknown", _extra_scenario),
    Fault("no-scenario-at-all", "scenario-unknown", lambda tree: tree.result(SS).rename(tree.result("Stream")), "open"),
    Fault("lower-case-scenario", "scenario-spelling", _rename_scenario, severity="warning"),
    Fault(
        "scenario-in-capitals",
        "scenario-spelling",
        lambda tree: tree.result(OFF).rename(tree.result("OFFLINE")),
        official="crashes",
    ),
    Fault("no-measurements", "measurements-missing", lambda tree: tree.measurements_json(SS).unlink()),
    Fault("measurements-no-json", "measurements-broken", lambda tree: write(tree.measurements_json(SS), "{")),
    Fault(
        "conf-of-open",
        "conf-open-only",
        lambda tree: write(tree.measurements(MS) / "user.conf", "*.MultiStream.samples_per_query = 4\n"),
    ),
    Fault(
        "seeds-in-conf",
        "conf-ignored",
        lambda tree: write(tree.measurements(SS) / "user.conf", "*.*.qsl_rng_seed = 1\n"),
        severity="warning",
    ),
    Fault("power-files", "power-file", _power),
    Fault("no-performance-log", "log-missing", lambda tree: (tree.run(SS) / DETAIL).unlink()),
    Fault("no-summary", "log-missing", lambda tree: (tree.run(SS) / SUMMARY).unlink(), official="passes"),
    Fault("cut-log", "log-broken", _cut_log),
    Fault(
        "log-of-v0.5",
        "log-broken",
        lambda tree: write(tree.run(SS) / DETAIL, '"pid": 1, "tid": 1, "ts": 8ns : a : b\n'),
    ),
    Fault("log-says-nothing", "log-broken", _edit_run(effective_min_duration_ms=None), official="fails"),
    Fault(
        "another-summary",
        "log-contradiction",
        lambda tree: write(tree.run(SS) / SUMMARY, "Scenario : Offline\nResult is : VALID\n"),
    ),
    Fault("same-log-twice", "log-twice", _same_log),
    Fault("accuracy-run-as-performance", "run-mode", _edit_run(effective_test_mode="AccuracyOnly")),
    Fault("performance-run-as-accuracy", "run-mode", _edit_accuracy(effective_test_mode="PerformanceOnly")),
    Fault("inferred-from-offline", "run-scenario", _inferred_wrongly),
    Fault("inferred-in-a-datacenter", "run-scenario", _inferred_in_a_datacenter, "open"),
    Fault("inferred", "run-inferred", _inferred, severity="note"),
    Fault("500-samples-in-memory", "run-samples", _edit_run(effective_performance_sample_count=500)),
    Fault("early-stopping", "run-early-stopping", _edit_run(early_stopping_met=False, early_stopping_result="too few")),
    Fault("slow-server", "run-latency", _server, division="open"),
    Fault("few-offline-samples", "run-min-queries", _edit_run(OFF, effective_samples_per_query=10_000)),
    Fault("no-metric", "run-no-metric", _edit_run(early_stopping_latency_ss=None)),
    Fault(
        "audit-left-on",
        "run-audited",
        _edit_run(effective_performance_issue_same=True, effective_performance_issue_same_index=3),
    ),
    Fault(
        "second-run",
        "extra-run",
        lambda tree: shutil.copytree(tree.run(SS), tree.run(SS).with_name("run_2")),
        severity="warning",
    ),
    Fault(
        "no-accuracy-text",
        "accuracy-missing",
        lambda tree: (tree.accuracy(SS) / "accuracy.txt").unlink(),
        official="fails",
    ),
    Fault("no-accuracy-log", "accuracy-missing", lambda tree: (tree.accuracy(SS) / DETAIL).unlink()),
    Fault("no-accuracy-line", "accuracy-line", _tell_accuracy("mAP=23.1\n")),
    Fault("accuracy-with-error", "accuracy-errors", lambda tree: tree.edit(tree.accuracy(SS), "lost a sample")),
    Fault("wrong-sum", "accuracy-contradiction", _tell_accuracy("accuracy=76.456%, good=38000, total=50000\n")),
    Fault("other-total", "accuracy-contradiction", _tell_accuracy("accuracy=76.507%, good=736, total=962\n")),
    Fault(
        "no-verify-accuracy", "compliance-file", lambda tree: (tree.test(SS, "TEST01") / "verify_accuracy.txt").unlink()
    ),
    Fault("no-test-log", "compliance-file", lambda tree: (tree.test_run(SS, "TEST04") / SUMMARY).unlink()),
    Fault("answers-differ", "compliance-accuracy", _failed_answers),
    Fault("accuracies-differ", "compliance-accuracy", _accuracies_differ),
    Fault(
        "test-too-slow",
        "compliance-performance",
        lambda tree: write(tree.test(SS, "TEST04") / "verify_performance.txt", "TEST FAIL\n"),
    ),
    Fault(
        "test04-really-faster",
        "compliance-performance-log",
        lambda tree: tree.edit(tree.test_run(SS, "TEST04"), early_stopping_latency_ss=8_500_000),
    ),
    Fault(
        "test-without-audit-config",
        "compliance-audit",
        lambda tree: tree.edit(tree.test_run(SS, "TEST04"), effective_performance_issue_same=False),
    ),
    Fault(
        "test-with-short-run",
        "run-min-duration",
        lambda tree: tree.edit(tree.test_run(SS, "TEST01"), effective_min_duration_ms=1),
    ),
    Fault("space-in-name", "file-name", lambda tree: write(tree.base / "src" / "my file.py", "x")),
    Fault("windows-path", "file-name", lambda tree: write(tree.base / "src" / "a\\b.py", "x")),
    Fault("hidden-file", "file-name", lambda tree: write(tree.base / "src" / ".secret", "x")),
    Fault("no-utf-8-in-name", "file-name", lambda tree: write(tree.base / "src" / os.fsdecode(b"a\xff.py"), "x")),
    Fault("large-file", "file-size", _large_file),
    Fault("symbolic-link", "file-symlink", _link),
    Fault("empty-folder", "folder-empty", _empty_folder),
    Fault("two-submitters", "submitters", _second_submitter, severity="warning"),
    Fault(
        "no-utf-8", "unreadable", lambda tree: write(tree.accuracy(SS) / "accuracy.txt", ACCURACY.encode() + b"\xff")
    ),
    Fault("other-benchmark", "not-checked", _other_benchmark, severity="note", official="fails"),
    # The layout until v5.1.
    Fault("v5.1-src", "code-missing", lambda tree: (tree.base / "code").rename(tree.base / "src"), round_name="v5.1"),
    Fault(
        "v5.1-no-measurements",
        "measurements-missing",
        lambda tree: tree.measurements_json(SS).unlink(),
        round_name="v5.1",
    ),
    Fault(
        "v5.1-no-test01", "compliance-missing", lambda tree: shutil.rmtree(tree.test(SS, "TEST01")), round_name="v5.1"
    ),
    Fault(
        "v5.0-no-conf",
        "measurements-file",
        lambda tree: (tree.measurements(OFF) / "user.conf").unlink(),
        round_name="v5.0",
    ),
)
