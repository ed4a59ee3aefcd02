"""The table of commands: what there is, where it is implemented, how it is used.

Both the cyclopts app and the quick help pages of groups are made from it. Nothing heavier than the standard
library's string functions is imported here, so that ``mlscope --help`` costs little more than Python itself.
"""

from __future__ import annotations

from mlscope.cli._command import Command, Path
from mlscope.cli._pages_info import INFO
from mlscope.cli._pages_submission import SUBMISSION
from mlscope.cli._spellings import ALIASES

__all__ = ["COMMANDS", "EXPLORED", "INTRODUCTION", "Command", "Path", "children", "group_page", "resolve"]

INTRODUCTION = """\
Measures how well and how fast a model runs on this machine, and records it so that
it can be queried and repeated."""


COMMANDS: dict[Path, Command] = {
    ("predict",): Command(
        "Run a model over data and record accuracy and latency.",
        examples=("mlscope predict dataset", "mlscope predict urls cat.jpg --model-name Digits_CNN"),
    ),
    ("predict", "dataset"): Command(
        "Evaluate a model over a labelled data set.",
        "mlscope.cli._predict:dataset",
        (
            "mlscope predict dataset",
            "mlscope predict dataset --model-name model.yml --dataset-name imagenet "
            "--dataset-path pictures --batch-size 8",
            "mlscope predict dataset --weights-tags model,onnx,digits_cnn,fp32 --images-tags digits,preprocessed",
        ),
    ),
    ("predict", "urls"): Command(
        "Classify pictures from files, globs or http(s) addresses.",
        "mlscope.cli._predict:urls",
        ("mlscope predict urls 'pictures/*.jpg'", "mlscope predict urls --urls-file-path list.txt --format json"),
    ),
    ("predict", "workload"): Command(
        "Send requests on a schedule, whether or not the model keeps up, and report their latency.",
        "mlscope.cli._predict:workload",
        (
            "mlscope predict workload --initial-qps 100 --min-duration 10s",
            "mlscope predict workload --initial-qps 50 --arrival gamma:cv=3 --max-batch 8 --max-delay 5ms",
            "mlscope predict workload --trace arrivals.csv --time-scale 0.5",
        ),
    ),
    ("predict", "max-qps"): Command(
        "Find the highest rate at which the latency at a percentile stays within a bound.",
        "mlscope.cli._predict:max_qps",
        (
            "mlscope predict max-qps --latency-bound 20ms --percentile 99",
            "mlscope predict max-qps --initial-qps 100 --min-queries 1000",
        ),
    ),
    ("benchmark",): Command(
        "Measure a model under load with MLPerf's official LoadGen.",
        "mlscope.cli._benchmark:benchmark",
        (
            "mlscope benchmark",
            "mlscope benchmark --scenario Server --target-qps 100 --target-latency 15",
            "mlscope benchmark model.onnx --random-inputs --shape input:1x3x224x224",
        ),
    ),
    ("explore",): Command(
        "Run a command over many values of its flags.",
        "mlscope.cli._explore:explore",
        (
            "mlscope explore benchmark --scenario Offline --batch-size 1,2,4,8 --threads 1:2",
            "mlscope explore predict dataset --framework onnxruntime,openvino --batch-size 1,8 --plot sweep.png",
            "mlscope explore --scenario MultiStream --batch-size 8:32:8 --samples-per-query 8:32:8 "
            "--tie batch-size,samples-per-query",
        ),
    ),
    **INFO,
    ("runs",): Command(
        "List, show, remove and publish recorded runs.",
        examples=("mlscope runs list", "mlscope runs show 0198f0c2"),
    ),
    ("runs", "list"): Command(
        "List recorded runs, newest first.",
        "mlscope.cli._runs:list_runs",
        ("mlscope runs list --limit 20", "mlscope runs list --experiment explore-567e2850275f"),
    ),
    ("runs", "show"): Command(
        "Show one run.",
        "mlscope.cli._runs:show",
        ("mlscope runs show 0198f0c2", "mlscope runs show 0198f0c2 --format json"),
    ),
    ("runs", "rm"): Command(
        "Remove runs and their folders.", "mlscope.cli._runs:remove", ("mlscope runs rm 0198f0c2 --yes",)
    ),
    ("runs", "log"): Command("Print a log of a run.", "mlscope.cli._runs:log", ("mlscope runs log 0198f0c2 worker",)),
    ("runs", "publish"): Command(
        "Copy runs to a shared database.",
        "mlscope.cli._runs:publish",
        ("mlscope runs publish 0198f0c2 --database-address postgresql://me@db.example.org/mlscope",),
    ),
    ("compare",): Command(
        "Compare two runs, experiments or plans.",
        "mlscope.cli._compare:compare",
        (
            "mlscope compare 0198f0c2 0198f0d7",
            "mlscope compare 0198f0c2 0198f0d7 --layers",
            "mlscope compare 0198f0c2 0198f0d7 --interleave 5 --fail-if slower:3%",
            "mlscope compare --a framework=onnxruntime==1.20.1 --b framework=onnxruntime==1.22.1",
        ),
    ),
    ("rerun",): Command(
        "Repeat a recorded run on its own software and compare.",
        "mlscope.cli._rerun:rerun",
        ("mlscope rerun 0198f0c2",),
    ),
    ("explain",): Command(
        "Say in words what a run's data tell.",
        "mlscope.cli._explain:explain",
        ("mlscope explain 0198f0c2", "mlscope explain 0198f0c2 --against 0198f0d7"),
    ),
    ("verify",): Command(
        "Repeat a recorded run and judge whether it is reproduced.",
        "mlscope.cli._verify:verify",
        ("mlscope verify 0198f0c2 --margin 5%", "mlscope verify run.zip --repetitions 3"),
    ),
    ("trace",): Command(
        "Export the traces of runs, or send them to a trace server.",
        examples=(
            "mlscope trace export 0198f0c2",
            "mlscope trace send 0198f0c2 --tracer-address http://localhost:4318",
        ),
    ),
    ("trace", "export"): Command(
        "Write the trace of a run to a file of another tool.",
        "mlscope.cli._trace:export",
        ("mlscope trace export 0198f0c2", "mlscope trace export 0198f0c2 --to chrome --output trace.json"),
    ),
    ("trace", "send"): Command(
        "Send the spans of a run to a trace server.",
        "mlscope.cli._trace:send",
        ("mlscope trace send 0198f0c2 --tracer-address http://localhost:4318",),
    ),
    ("trace", "chrome"): Command(
        "Write a trace for Chrome.", "mlscope.cli._trace:chrome", ("mlscope trace chrome 0198f0c2",)
    ),
    ("trace", "flamegraph"): Command(
        "Write a flame graph's stacks.", "mlscope.cli._trace:flamegraph", ("mlscope trace flamegraph 0198f0c2",)
    ),
    ("store",): Command("Look after the index of runs.", examples=("mlscope store rebuild",)),
    ("store", "rebuild"): Command(
        "Rebuild the local index from the run folders.", "mlscope.cli._runs:rebuild", ("mlscope store rebuild",)
    ),
    ("stack",): Command(
        "Build and look after the environments that frameworks run in.",
        examples=("mlscope stack build onnxruntime==1.20.1", "mlscope stack list"),
    ),
    ("stack", "lock"): Command(
        "Resolve a framework's environment to a lock with hashes.",
        "mlscope.cli._stack:lock",
        (
            "mlscope stack lock onnxruntime==1.20.1",
            "mlscope stack lock 'mxnet>=1.9' --python 3.11 --output pylock.toml",
        ),
    ),
    ("stack", "build"): Command(
        "Build a framework's environment, or its container image.",
        "mlscope.cli._stack:build",
        (
            "mlscope stack build onnxruntime==1.20.1 --python 3.12",
            "mlscope stack build onnxruntime==1.20.1 --kind container --no-cache",
        ),
    ),
    ("stack", "list"): Command(
        "List the environments and images of this machine.",
        "mlscope.cli._stack:list_all",
        ("mlscope stack list --format json",),
    ),
    ("stack", "show"): Command(
        "Show what one environment consists of.",
        "mlscope.cli._stack:show",
        ("mlscope stack show 4cd8aa51",),
    ),
    ("stack", "rm"): Command("Remove environments.", "mlscope.cli._stack:remove", ("mlscope stack rm 4cd8aa51",)),
    ("stack", "prune"): Command(
        "Remove the environments that were not used for a while.",
        "mlscope.cli._stack:prune",
        ("mlscope stack prune --days 30",),
    ),
    ("manifest",): Command(
        "Check, convert and start manifests; register folders and repositories of them.",
        examples=("mlscope manifest check model.yml", "mlscope manifest add models"),
    ),
    ("manifest", "check"): Command(
        "Check manifests; every fault with file, line and column.",
        "mlscope.cli._manifests:check",
        ("mlscope manifest check model.yml dataset.yml",),
    ),
    ("manifest", "resolve"): Command(
        "Tell which software would run the models, or why there is none.",
        "mlscope.cli._manifests:resolve",
        ("mlscope manifest resolve manifests/", "mlscope manifest resolve model.yml --format json"),
    ),
    ("manifest", "convert"): Command(
        "Convert a manifest of MLModelScope to mlscope's own dialect.",
        "mlscope.cli._manifests:convert",
        ("mlscope manifest convert ResNet50.yml --output resnet50.yml",),
    ),
    ("manifest", "init"): Command(
        "Write a manifest's skeleton from a model file's own inputs and outputs.",
        "mlscope.cli._manifests:init",
        ("mlscope manifest init model.onnx --output model.yml",),
    ),
    ("manifest", "add"): Command(
        "Register a folder or a git repository of manifests.",
        "mlscope.cli._sources:add",
        (
            "mlscope manifest add models",
            "mlscope manifest add https://git.example.org/zoo.git --rev v1.2 --name zoo",
        ),
    ),
    ("manifest", "list"): Command(
        "List the registered sources of manifests.", "mlscope.cli._sources:list_all", ("mlscope manifest list",)
    ),
    ("manifest", "update"): Command(
        "Fetch the newest commit of registered repositories.",
        "mlscope.cli._sources:update",
        ("mlscope manifest update zoo",),
    ),
    ("manifest", "remove"): Command(
        "Forget sources of manifests.", "mlscope.cli._sources:remove", ("mlscope manifest remove zoo",)
    ),
    ("download",): Command(
        "Fetch models and data sets into the cache.",
        "mlscope.cli._download:download",
        ("mlscope download Digits_CNN digits", "mlscope download --all"),
    ),
    ("download", "models"): Command(
        "Fetch models into the cache.",
        "mlscope.cli._download:models",
        ("mlscope download models Digits_CNN",),
    ),
    ("download", "dataset"): Command(
        "Fetch data sets into the cache.",
        "mlscope.cli._download:datasets",
        ("mlscope download dataset digits",),
    ),
    ("data",): Command(
        "Look after the pictures that are kept prepared.",
        examples=("mlscope data list", "mlscope data prune --days 30"),
    ),
    ("data", "list"): Command(
        "List the prepared sets of this machine.", "mlscope.cli._data:list_all", ("mlscope data list --format json",)
    ),
    ("data", "prune"): Command(
        "Remove the prepared sets that were not used for a while.",
        "mlscope.cli._data:prune",
        ("mlscope data prune --days 30", "mlscope data prune --days 0"),
    ),
    **SUBMISSION,
    ("version",): Command(
        "Print the versions of mlscope, Python and LoadGen.", "mlscope.cli._version:version", ("mlscope version",)
    ),
    ("completion",): Command(
        "Print a completion script for a shell.",
        "mlscope.cli._completion:completion",
        ("mlscope completion bash > ~/.local/share/bash-completion/completions/mlscope",),
    ),
}
"""Every command by its words."""

EXPLORED: tuple[Path, ...] = (("predict", "dataset"), ("predict", "urls"), ("predict", "workload"), ("benchmark",))
"""The commands that `mlscope explore` runs; it knows all their flags."""


def children(path: Path) -> list[Path]:
    """Commands directly below `path`, in the order of the table."""
    return [each for each in COMMANDS if len(each) == len(path) + 1 and each[: len(path)] == path]


def resolve(path: Path, word: str) -> Path | None:
    """The command that `word` names below `path`; None when there is none."""
    candidate = (*path, word)
    candidate = ALIASES.get(candidate, candidate)
    return candidate if candidate in COMMANDS else None


def group_page(path: Path, width: int = 100) -> str:
    """Help page of the root or of a group: what is below it, and an example."""
    from mlscope.cli._layout import example_lines, rows, wrap

    command = COMMANDS[path] if path else Command(INTRODUCTION, None, ("mlscope predict dataset", "mlscope benchmark"))
    below = [(" ".join(each[len(path) :]), COMMANDS[each].summary) for each in children(path)]
    words = " ".join(("mlscope", *path))
    lines = [f"Usage: {words} COMMAND [OPTIONS]", "", *wrap(command.summary, width), "", "Commands:"]
    lines += rows(below, width)
    lines += ["", *example_lines(command.examples), "", f"More about a command: {words} COMMAND --help"]
    if not path:
        lines.append("Every command also takes --config, --verbose, --debug, --secret, --local and --profile.")
    return "\n".join(lines) + "\n"
