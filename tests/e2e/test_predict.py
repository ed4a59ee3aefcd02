"""``mlscope predict dataset`` on the embedded default."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlscope
from mlscope.worker.protocol import TraceLevel
from tests.conftest import Cli, Result
from tests.e2e import running

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WHOLE_LAYOUTS: tuple[dict[str, Any], ...] = (
    {"batch_size": 7},
    {"batch_size": 64, "threads": 2},
    {"batch_size": 8, "partition_list_size": 100, "loader_processes": 2},
    {"batch_size": 500, "partition_list_size": 1000, "warmup": 0},
    {"batch_size": 3, "partition_list_size": 2, "workers": 2, "threads": 1},
    {"batch_size": 16, "workers": 3, "loader_processes": 3, "seed": 7},
)


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """One run without any argument, and its home."""
    home = tmp_path_factory.mktemp("default")
    return home, running.run(home, "predict", "dataset")


@pytest.fixture(scope="module")
def evaluation(default: tuple[Path, Result]) -> mlscope.Evaluation:
    """What the run without any argument has recorded."""
    return running.only(default[0])


def test_the_last_lines_are_top_1_top_5_the_originals_line_and_where_it_lies(default: tuple[Path, Result]) -> None:
    home, result = default
    assert result.code == 0, result
    assert running.told(result.err.splitlines()) == []
    lines = result.out.splitlines()
    place = lines.index(running.DIGITS_LINE)
    assert lines[place - 2].startswith("Top-1   98.60 %  (95 % interval 97.")
    assert lines[place - 1].startswith("Top-5  100.00 %  (95 % interval 99.")
    (folder,) = running.folders(home)
    assert f"Folder  {folder}" in lines


def test_the_record_holds_every_time_and_the_memory(evaluation: mlscope.Evaluation) -> None:
    record = evaluation.record
    assert (record.status, record.failure, running.told(record.warnings)) == ("complete", None, [])
    assert record.accuracy is not None
    assert (record.accuracy.top1_good, record.accuracy.evaluated, record.accuracy.failed) == (493, 500, 0)
    timings = record.timings
    assert timings.load_ns
    assert timings.first_inference_ns
    assert timings.preprocess_mean_ns
    assert timings.inference_ns
    assert timings.postprocess_ns
    assert timings.wait_share is not None
    assert 0 <= timings.wait_share <= 1
    assert timings.peak_memory_bytes
    assert timings.peak_memory_bytes > 1 << 24
    assert timings.total_ns > timings.inference_ns + timings.load_ns


def test_the_record_names_what_was_measured_with_what(evaluation: mlscope.Evaluation) -> None:
    record = evaluation.record
    assert (record.command, record.model_name, record.model_version) == ("predict dataset", "Digits_CNN", "1.0")
    assert (record.dataset_name, record.framework_name, record.batch_size) == ("digits", "onnxruntime", 1)
    assert (record.using_gpu, record.scenario, record.mode, record.repetition) == (False, None, None, 1)
    assert record.system.cpu_count == os.cpu_count()
    with evaluation.open("lock.json") as file:
        lock = json.load(file)
    assert "onnxruntime" in json.dumps(lock).lower()
    with evaluation.open("plan.json") as file:
        plan = json.load(file)
    assert plan["execution"]["batch_size"] == 1
    assert plan["dataset"]["count"] == plan["dataset"]["total"] == 500


def test_every_sample_is_timed_once_and_the_warm_up_is_kept_apart(evaluation: mlscope.Evaluation) -> None:
    table = evaluation.to_pandas()
    assert list(table[table.warmup].sample_index) == [0]
    samples = table[~table.warmup]
    assert sorted(samples.sample_index) == list(range(500))
    assert samples["batch"].is_unique
    assert not samples.failed.any()
    assert (samples.issued_ns <= samples.start_ns).all()
    assert (samples.start_ns < samples.end_ns).all()
    assert (samples.preprocess_start_ns < samples.preprocess_end_ns).all()
    assert (samples.preprocess_end_ns <= samples.start_ns).all()
    (latency,) = evaluation.record.latency
    assert (latency.of, latency.clock, latency.count) == ("batch", "issued", 500)
    assert latency.mean_ns == pytest.approx((samples.end_ns - samples.start_ns).mean())
    assert evaluation.record.timings.inference_ns == (samples.end_ns - samples.start_ns).sum()


def test_predictions_are_kept_with_file_label_and_five_best_classes(evaluation: mlscope.Evaluation) -> None:
    found = evaluation.predictions()
    listed = (running.digits_folder() / "val_map.txt").read_text(encoding="utf-8").split()
    assert list(found["file"]) == listed[::2]
    assert [str(label) for label in found["label"]] == listed[1::2]
    assert int((found["top1"] == found["label"]).sum()) == 493
    scores = np.stack([found[f"score{place}"] for place in range(1, 6)])
    assert (scores[:-1] >= scores[1:]).all()
    assert (scores > 0).all()
    assert (scores.sum(axis=0) <= 1 + 1e-9).all()
    with evaluation.open("outputs-0.npy") as file:
        outputs = np.load(file)
    assert outputs.shape == (500, 10)
    assert (outputs.argmax(axis=1) == found["top1"]).all()


def test_application_trace_has_the_steps_and_not_the_models_own_calls(evaluation: mlscope.Evaluation) -> None:
    spans = evaluation.spans().to_pandas()
    counts = spans.name.value_counts().to_dict()
    assert counts == {
        "predict dataset": 1,
        "load_predictor": 1,
        "warm_up": 1,
        "preprocess_step": 500,
        "predict_step": 500,
        "postprocess_step": 1,
    }
    assert set(spans.level) == {TraceLevel.APPLICATION_TRACE}
    root = spans[spans.parent_id.isna()].iloc[0]
    assert root["name"] == "predict dataset"
    assert (spans.start_ns >= root.start_ns).all()
    assert (spans.end_ns <= root.end_ns).all()
    assert (spans.span_id.is_unique, set(spans.parent_id.dropna())) == (True, {root.span_id})


@pytest.mark.parametrize(("level", "calls"), [("MODEL_TRACE", 5), ("NO_TRACE", None)])
def test_deeper_and_no_trace(home: Path, level: str, calls: int | None) -> None:
    evaluation = mlscope.evaluate(batch_size=10, num_file_parts=5, trace_level=level)
    assert evaluation.record.trace_level == level
    if calls is None:
        assert "spans.parquet" not in [entry.path for entry in evaluation.record.files]
        return
    spans = evaluation.spans().to_pandas()
    inner = spans[spans.name == "c_predict"]
    assert len(inner) == calls
    assert set(inner.level) == {TraceLevel.MODEL_TRACE}


def test_json_is_one_document_with_the_sealed_record(cli: Cli, home: Path) -> None:
    result = cli("predict", "dataset", "--format", "json", "--verbose")
    assert result.code == 0
    (found,) = result.json()["evaluations"]
    assert found["error"] is None
    assert found["record"]["accuracy"]["top1_good"] == 493
    sealed = json.loads((Path(found["folder"]) / "evaluation.json").read_text(encoding="utf-8"))
    assert found["record"] == sealed


@pytest.mark.parametrize("layout", WHOLE_LAYOUTS, ids=lambda layout: " ".join(f"{k}={v}" for k, v in layout.items()))
def test_predictions_do_not_depend_on_how_the_work_is_laid_out(
    home: Path, evaluation: mlscope.Evaluation, layout: dict[str, Any]
) -> None:
    other = mlscope.evaluate(**layout)
    assert other.record.accuracy == evaluation.record.accuracy
    expected, found = evaluation.predictions(), other.predictions()
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        if name.startswith("score"):
            np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-5)
        else:
            np.testing.assert_array_equal(found[name], values)
    samples = other.to_pandas()
    samples = samples[~samples.warmup]
    assert sorted(samples.sample_index) == list(range(500))
    part = layout.get("partition_list_size", layout["batch_size"])
    parts = [min(part, 500 - first) for first in range(0, 500, part)]
    calls = sum(-(-rows // layout["batch_size"]) for rows in parts)
    assert samples["batch"].nunique() == calls


def test_num_file_parts_divides_by_what_was_evaluated(cli: Cli, home: Path) -> None:
    result = cli("predict", "dataset", "-b", "10", "-p", "20", "--num-file-parts=3")
    assert result.code == 0
    found = running.only(home)
    assert found.record.accuracy is not None
    good = int((found.predictions()["top1"] == found.predictions()["label"]).sum())
    assert (found.record.accuracy.evaluated, found.record.accuracy.top1_good) == (60, good)
    assert f"accuracy={100 * good / 60:.3f}%, good={good}, total=60" in result.out
    with found.open("plan.json") as file:
        planned = json.load(file)["dataset"]
    assert {"name": "digits", "version": "1.0", "count": 60, "total": 500}.items() <= planned.items()


def test_no_record_leaves_nothing_behind(cli: Cli, home: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    flags = ("--no-record", "--num-file-parts", "50", "--format", "json")
    result = cli("predict", "dataset", *flags, env={"TMPDIR": str(temporary)})
    assert result.code == 0
    (found,) = result.json()["evaluations"]
    assert found["record"]["accuracy"]["evaluated"] == 50
    assert found["folder"] is None
    assert list(temporary.iterdir()) == []
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert not Path(f"/dev/shm/mlscope-{found['record']['id']}").exists()


def test_each_repetition_is_a_record_of_its_own_under_one_plan(cli: Cli, home: Path) -> None:
    result = cli(
        *("predict", "dataset", "--num-file-parts", "20", "--repetitions", "3"),
        *("--experiment", "three times", "--tags", "a,b"),
    )
    assert result.code == 0
    assert result.out.count("total=20\n") == 3
    records = [each.record for each in running.evaluations(home)]
    assert [record.repetition for record in records] == [1, 2, 3]
    assert {record.plan_id for record in records} == {records[0].plan_id}
    assert {(record.experiment, record.tags) for record in records} == {("three times", ("a", "b"))}
    assert len(mlscope.open_store().find(experiment="three times", tag="b")) == 3


def test_a_prefix_stands_before_the_worker_and_env_reaches_it(cli: Cli, home: Path, tmp_path: Path) -> None:
    heard = tmp_path / "environment"
    prefix = f'nice -n 3 sh -c \'nice > {heard}; echo $COLOUR $PASSED >> {heard}; exec "$0" "$@"\''
    result = cli(
        *("predict", "dataset", "--num-file-parts", "5", "--worker-prefix", prefix, "--env", "COLOUR=blue"),
        env={"PASSED": "along"},
    )
    assert result.code == 0, result
    niceness, words = heard.read_text().splitlines()
    assert int(niceness) == os.nice(0) + 3
    assert words == "blue along"


def test_a_prefix_that_cannot_be_started_is_one_line(cli: Cli) -> None:
    assert "no-such-tool" in running.one_line(cli("predict", "dataset", "--worker-prefix", "no-such-tool -g"), 6)
    assert "--worker-prefix" in running.one_line(cli("predict", "dataset", "--worker-prefix", "'open"), 2)


def test_the_same_choices_have_the_same_plan_and_others_another(home: Path) -> None:
    first, again, other = (
        mlscope.evaluate(num_file_parts=5, seed=seed, tags=tags).record.plan_id
        for seed, tags in ((1, ("x",)), (1, ("y",)), (2, ("x",)))
    )
    assert first == again
    assert first != other


@pytest.fixture
def served(home: Path) -> Iterator[str]:
    """Address at which the pictures of the built-in data set are served."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(running.digits_folder()))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_urls_names_the_five_best_classes_of_files_globs_and_addresses(cli: Cli, served: str) -> None:
    pictures = running.digits_folder()
    sources = (pictures / "digit_000.png", f"{pictures}/digit_00[1].png", f"{served}/digit_002.png", f"{served}/none")
    result = cli("predict", "urls", *sources, "-f", "json")
    assert result.code == 0, result
    (found,) = result.json()["evaluations"]
    *read, missing = found["predictions"]
    assert [Path(each["source"]).name for each in read] == [f"digit_00{n}.png" for n in range(3)]
    assert "404" in missing["error"]
    assert missing["top"] == []
    expected = [line.split()[1] for line in (pictures / "val_map.txt").read_text(encoding="utf-8").splitlines()[:3]]
    assert [str(each["top"][0]["index"]) for each in read] == expected
    assert all(len(each["top"]) == 5 for each in read)
    assert all(each["top"][0]["label"] in NAMES for each in read)
