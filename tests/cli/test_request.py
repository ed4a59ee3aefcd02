"""From flags to a request."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from mlscope.cli._values import comma_list
from mlscope.plan import LoadRequest, Request
from tests.cli.conftest import Run

ORIGINAL_SCRIPT = """
predict dataset --fail_on_error=true --verbose --publish=true --publish_predictions=false --gpu=false
--num_file_parts=100 --batch_size=1 --model_name=ResNet50 --model_version=1.0 --database_name=ResNet50_model_trace
--database_address=postgresql://me@localhost/db --trace_level=MODEL_TRACE --tracer_address-localhost
"""


@pytest.mark.parametrize("command", ["predict dataset", "benchmark"])
def test_defaults_of_flags_are_those_of_the_request(run: Run, requests: list[Request], command: str) -> None:
    assert run(*command.split()).code == 0
    load = LoadRequest() if command == "benchmark" else None
    assert requests == [Request.model_validate({"command": command, "load": load})]


def test_defaults_of_predict_urls(run: Run, requests: list[Request]) -> None:
    assert run("predict", "urls", "a_b.png").code == 0
    assert requests == [Request(command="predict urls", urls=("a_b.png",))]


def test_the_originals_own_script(run: Run, requests: list[Request]) -> None:
    done = run(*shlex.split(ORIGINAL_SCRIPT))
    assert done.code == 0
    assert "--tracer_address-localhost is read as --tracer-address=localhost" in done.err
    assert requests == [
        Request(
            command="predict dataset",
            fail_on_error=True,
            publish=True,
            num_file_parts=100,
            model_name="ResNet50",
            model_version="1.0",
            database_name="ResNet50_model_trace",
            database_address="postgresql://me@localhost/db",
            trace_level="MODEL_TRACE",
            tracer_address="localhost",
        )
    ]


PREDICT = [
    ("-b 8 -p 16", {"batch_size": 8, "partition_list_size": 16}),
    ("--batch-size 8 --partition_list_size=16", {"batch_size": 8, "partition_list_size": 16}),
    ("--batch-size 1 --batch-size 2", {"batch_size": 2}),
    ("--num-file-parts -1", {"num_file_parts": -1}),
    ("--gpu", {"gpu": True}),
    ("--use_gpu --gpu-device-id 1", {"gpu": True, "gpu_device_id": 1}),
    ("--gpu=true --gpu=false", {"gpu": False}),
    ("--gpu=True", {"gpu": True}),
    ("--gpu=0", {"gpu": False}),
    ("--model-name m.yml --model-version 1.0 --weights w.onnx",
     {"model_name": "m.yml", "model_version": "1.0", "weights": Path("w.onnx")}),
    ("--dataset-name imagenet --dataset-path d_1 --dataset_category vision",
     {"dataset_name": "imagenet", "dataset_path": Path("d_1")}),
    ("--warmup_num_file_parts 3", {"warmup": 3}),
    ("--warmup 0", {"warmup": 0}),
    ("--require-quiet --quiet-timeout 2m", {"require_quiet": True, "quiet_timeout_s": 120}),
    ("--no-floor", {"floor": False}),
    ("--threads 2 --workers 3 --loader-processes 4", {"threads": 2, "workers": 3, "loader_processes": 4}),
    ("--option graph_optimization_level=3 --option a=false --option b=text --option c=x=y",
     {"options": {"graph_optimization_level": 3, "a": False, "b": "text", "c": "x=y"}}),
    ("--allow-hooks --seed 7", {"allow_hooks": True, "seed": 7}),
    ("--experiment e_1 --tags a,b --tags c", {"experiment": "e_1", "tags": ("a", "b", "c")}),
    ("--repetitions 3 --no-record", {"repetitions": 3, "record": False}),
    ("--worker-prefix 'perf record -g' --env A=1 --env B=x=y",
     {"worker_prefix": "perf record -g", "env": {"A": "1", "B": "x=y"}}),
    ("--publish --publish-predictions --database-address sqlite:///a.db --database-name n --secret s",
     {"publish": True, "publish_predictions": True, "database_address": "sqlite:///a.db", "database_name": "n",
      "secret": "s"}),
    ("--trace-level application_trace", {"trace_level": "APPLICATION_TRACE"}),
    ("--trace_level no_trace", {"trace_level": "NO_TRACE"}),
    ("--local", {"offline": True}),
    ("-l -s x -v", {"offline": True, "secret": "x"}),
    ("-vl", {"offline": True}),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "fields"), PREDICT, ids=[flags for flags, _ in PREDICT])
def test_predict_dataset(run: Run, requests: list[Request], flags: str, fields: dict[str, object]) -> None:
    done = run("predict", "dataset", *shlex.split(flags))
    assert done.code == 0, done.err
    assert requests == [Request.model_validate({"command": "predict dataset", **fields})]


@pytest.mark.parametrize(
    ("written", "level"),
    [
        ("ML_LIBRARY_TRACE", "LIBRARY_TRACE"),
        ("library-trace", "LIBRARY_TRACE"),
        ("System_Library_Trace", "SYSTEM_LIBRARY_TRACE"),
        ("FULL_TRACE", "FULL_TRACE"),
    ],
)
def test_trace_levels_are_taken_however_they_are_written(
    run: Run, requests: list[Request], written: str, level: str
) -> None:
    done = run("predict", "dataset", "--trace-level", written)
    assert requests[0].trace_level == level
    assert done.err == ""


def test_predict_urls_reads_lists(run: Run, requests: list[Request], tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("# mine\nhttp://example.org/a_b.png\n\n x*.jpg \n")
    done = run(
        "predict", "url", "first_one.png", "--urls_file_path", listed, "--duplicate_input=2", "--num_url_parts=3",
        "--num_warmup_url_parts=4", "--", "--odd_name.png",
    )  # fmt: skip
    assert done.code == 0, done.err
    urls = ("first_one.png", "--odd_name.png", "http://example.org/a_b.png", "x*.jpg")
    assert requests == [Request(command="predict urls", urls=urls * 2, num_file_parts=3, warmup=4)]


BENCHMARK = [
    ("--scenario multistream --mode ACCURACYONLY", {"scenario": "MultiStream", "mode": "AccuracyOnly"}),
    ("--scenario single-stream --mode submission_run", {"scenario": "SingleStream", "mode": "SubmissionRun"}),
    ("--samples-per-query 4 --dataset-size 10 --buffer-size 5 --count-override 6",
     {"samples_per_query": 4, "dataset_size": 10, "buffer_size": 5, "count_override": 6}),
    ("--min-duration 500ms --max-duration 2m", {"min_duration_s": 0.5, "max_duration_s": 120.0}),
    ("--min-duration 10 --max-duration 1.5h", {"min_duration_s": 10.0, "max_duration_s": 5400.0}),
    ("--target-qps 1e3 --target-latency 2.5", {"target_qps": 1000.0, "target_latency_ms": 2.5}),
    ("--user-conf u --mlperf-conf m --audit-conf a",
     {"user_conf": Path("u"), "mlperf_conf": Path("m"), "audit_conf": Path("a")}),
    ("--setting a=1 --setting b=true --setting c=0.5", {"settings": {"a": 1, "b": True, "c": 0.5}}),
    ("--random-inputs --shape in:0:1x3x2 --shape b:4",
     {"random_inputs": True, "shapes": {"in:0": (1, 3, 2), "b": (4,)}}),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "fields"), BENCHMARK, ids=[flags for flags, _ in BENCHMARK])
def test_benchmark(run: Run, requests: list[Request], flags: str, fields: dict[str, object]) -> None:
    done = run("benchmark", *shlex.split(flags))
    assert done.code == 0, done.err
    assert requests[0].load == LoadRequest.model_validate(fields)


def test_benchmark_of_a_bare_file(run: Run, requests: list[Request]) -> None:
    assert run("benchmark", "my_model.onnx", "--random-inputs", "--warmup", "5", "-b", "2").code == 0
    assert (requests[0].model_name, requests[0].warmup, requests[0].batch_size) == ("my_model.onnx", 5, 2)


WRONG = [
    ("predict dataset --batch-size 0", "--batch-size: "),
    ("predict dataset --batch-size four", "--batch-size"),
    ("predict dataset --num-file-parts -2", "--num-file-parts: "),
    ("predict dataset --option x", '--option: "x" is no KEY=VALUE'),
    ("predict dataset --trace-level FULL", "did you mean FULL_TRACE?"),
    ("predict dataset --tracer-address ftp://host", "write http://HOST:4318"),
    ("predict dataset --bacth_size=3", "did you mean --batch-size?"),
    ("predict dataset --gpu=maybe", "--gpu"),
    ("predict dataset --dataset-category audio", "--dataset-category"),
    ("predict dataset leftover", "leftover"),
    ("predict dataset --batch-size", "--batch-size requires"),
    ("predict datset", "did you mean dataset?"),
    ("predict urls", "no pictures are named"),
    ("predict urls --urls-file-path nowhere.txt", "nowhere.txt"),
    ("predict urls a --duplicate-input 0", "--duplicate-input"),
    ("prdict", "did you mean predict?"),
    ("--foo", "--foo stands without a command"),
    ("benchmark --scenario Servr", "did you mean Server?"),
    ("benchmark --min-duration 3x", "no duration"),
    ("benchmark --min-duration -3", "no duration"),
    ("benchmark --setting a=b", "--setting: a:"),
    ("benchmark --setting a=NaN", "--setting: a:"),
    ("benchmark --shape 1x2", "write it like input:1x3x224x224"),
    ("benchmark --shape a:0x2", "no shape"),
    ("benchmark --target-qps 0", "--target-qps: "),
    ("benchmark m.onnx", "add --random-inputs"),
    ("benchmark m.onnx --random-inputs --model-name x", "two models"),
    ("predict dataset --publish --local --database-address postgresql://me@db.example.org/x", "--local rules out"),
    ("runs show", "ID requires an argument"),
    ("runs rm", "no run is named"),
    ("runs log x nonsense", "choose from summary"),
    ("manifest check", "no manifest is named"),
    ("manifest init nowhere.onnx", "nowhere.onnx"),
    ("download", "nothing is named"),
    ("completion tcsh", "SHELL"),
    ("info evaluation all --append", "--output FILE"),
    ("info evaluation all --scenario Servr", "did you mean Server?"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "said"), WRONG, ids=[command for command, _ in WRONG])
def test_what_makes_no_sense_is_one_line_and_code_2(run: Run, requests: list[Request], command: str, said: str) -> None:
    done = run(*command.split())
    assert done.code == 2
    assert not done.out
    assert not requests
    error = done.err.splitlines()[-1]
    assert error.startswith("mlscope: error: ")
    assert said in error
    assert "Traceback" not in done.err


def test_local_allows_databases_of_this_machine(run: Run, requests: list[Request]) -> None:
    for address in ("sqlite:///a.db", "postgresql://me@localhost/x", "postgresql://me@127.0.0.1:5433/x"):
        assert run("predict", "dataset", "--local", "--database-address", address).code == 0
    assert len(requests) == 3


def test_tags_are_taken_once_and_in_order() -> None:
    assert comma_list(("b, a,,b", "c")) == ("b", "a", "c")
