"""The rounds of MLPerf Inference: what each asks of an image-classification submission.

The figures are those of the official checker (mlcommons/inference, `tools/submission/submission_checker/constants.py`
at b66003e1; v0.5: `v0.5/tools/submission/submission-checker.py`) and of the rules (`inference_rules.adoc` at ac93e89).
Which wheel of LoadGen carries which seeds was read from the wheels.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from mlscope.errors import UsageError

__all__ = ["ROUNDS", "Benchmark", "Round", "Seeds", "find_round", "round_of_seeds"]


@dataclasses.dataclass(frozen=True, slots=True)
class Seeds:
    """The three seeds of LoadGen that a round prescribes."""

    qsl: int
    sample_index: int
    schedule: int


@dataclasses.dataclass(frozen=True, slots=True)
class Benchmark:
    """What a round asks of one benchmark."""

    name: str
    reference_accuracy: float
    """Percent, of the reference model."""
    accuracy_target: float
    """Percent that the closed division must reach."""
    dataset_size: int
    """Samples of an accuracy run."""
    performance_sample_count: int
    """Samples that a performance run must at least draw from."""
    required_scenarios: Mapping[str, tuple[str, ...]]
    """Of the closed division, by system type; a type that is missing may not submit the benchmark."""
    min_queries: Mapping[str, int]
    """By scenario; where early stopping judges, it takes the place of this number."""
    server_latency_ns: int
    """The highest target latency of Server."""
    min_offline_samples: int
    """Samples of Offline's one query, at least."""
    compliance_tests: tuple[str, ...]
    """Of the closed division, for each scenario."""


@dataclasses.dataclass(frozen=True, slots=True)
class Round:
    """One round of MLPerf Inference."""

    name: str
    seeds: Seeds
    loadgen_wheels: tuple[str, ...]
    """Versions of `mlcommons-loadgen` that are known to carry the seeds; empty: no wheel writes this round's logs."""
    benchmarks: Mapping[str, Benchmark]
    """Those that are known in full: image classification."""
    other_benchmarks: frozenset[str]
    """Official names of all others."""
    aliases: Mapping[str, str]
    """Directory name → official name, where they differ."""
    min_duration_ms: int
    early_stopping: bool
    """Whether SingleStream, MultiStream and Server are judged by LoadGen's early stopping."""
    truncates: bool
    """Whether accuracy logs must be cut and their hash be kept in accuracy.txt."""
    performance_runs: Mapping[str, int]
    """How many a scenario needs, where that is not one."""
    code_folder: str
    """Below the submitter: where the implementation lies."""
    measurements_folder: str | None
    """Below the submitter: where conf files and measurements lie; None: in the folder of the results themselves."""
    compliance_folder: str | None
    """Below the submitter: where compliance tests lie; None: in the folder of the results themselves."""
    measurement_files: tuple[str, ...]
    """Files beside the measurements' JSON."""
    system_fields: tuple[str, ...]
    """Keys that a system's JSON must have."""
    empty_system_fields: frozenset[str]
    """Those of them that may be empty."""
    statuses: frozenset[str]
    """What `status` may say, in lower case."""

    @property
    def benchmark_names(self) -> frozenset[str]:
        """All official names."""
        return self.other_benchmarks | self.benchmarks.keys()

    def benchmark_of(self, directory: str, mapping: Mapping[str, object] | None = None) -> str | None:
        """The official name of what a directory of results holds.

        Args:
            directory: Name of the directory.
            mapping: `model_mapping.json` of an open submitter: own name → official one.

        Returns:
            One of `benchmark_names`, or None. As in the official checker a name with "mobilenet", "efficientnet" or
            "resnet50" in it is guessed to be image classification.
        """
        if directory in self.benchmark_names:
            return directory
        found = self.aliases.get(directory) or (mapping or {}).get(directory)
        if found is None and any(part in directory for part in _GUESSED):
            found = "mobilenet" if "mobilenet" in directory and "mobilenet" in self.benchmarks else "resnet"
        return found if isinstance(found, str) and found in self.benchmark_names else None


def find_round(name: str) -> Round:
    """The round of a name like `v6.1` or `6.1`.

    Raises:
        UsageError: There is none of that name here.
    """
    found = ROUNDS.get(f"v{name.lower().removeprefix('v')}")
    if found is None:
        raise UsageError(f'"{name}" is no round that is known here', hint=f"known are {', '.join(ROUNDS)}")
    return found


def round_of_seeds(seeds: Seeds) -> Round | None:
    """The round that prescribes these seeds; None: no round that is known here does."""
    return next((each for each in ROUNDS.values() if each.seeds == seeds), None)


_GUESSED = ("mobilenet", "efficientnet", "resnet50")

_EDGE = ("SingleStream", "MultiStream", "Offline")
_DATACENTER = ("Server", "Offline")
_BOTH = ("SingleStream", "MultiStream", "Offline", "Server")

_MIN_QUERIES = MappingProxyType({"SingleStream": 1024, "MultiStream": 270_336, "Server": 270_336, "Offline": 1})


def _resnet(required: Mapping[str, tuple[str, ...]], tests: tuple[str, ...]) -> Benchmark:
    return Benchmark(
        name="resnet",
        reference_accuracy=76.46,
        accuracy_target=76.46 * 0.99,
        dataset_size=50_000,
        performance_sample_count=1024,
        required_scenarios=MappingProxyType(dict(required)),
        min_queries=_MIN_QUERIES,
        server_latency_ns=15_000_000,
        min_offline_samples=24_576,
        compliance_tests=tests,
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIELDS_V05 = _words(
    """division submitter status system_name number_of_nodes host_processor_model_name host_processors_per_node
    host_processor_core_count host_memory_capacity host_storage_capacity host_storage_type accelerators_per_node
    accelerator_model_name accelerator_memory_capacity framework operating_system"""
)
_FIELDS = (
    *_FIELDS_V05,
    *_words(
        """system_type other_software_stack host_processor_frequency host_processor_caches host_memory_configuration
    host_processor_interconnect host_networking host_networking_topology accelerator_frequency
    accelerator_host_interconnect accelerator_interconnect accelerator_interconnect_topology
    accelerator_memory_configuration accelerator_on-chip_memories cooling hw_notes sw_notes host_network_card_count
    system_type_detail"""
    ),
)
_MAY_BE_EMPTY = frozenset(
    _words(
        """host_processor_frequency host_processor_caches host_processor_interconnect accelerator_frequency
    accelerator_interconnect_topology accelerator_on-chip_memories hw_notes sw_notes system_type_detail"""
    )
)

_OTHERS_V50 = frozenset(
    _words(
        """retinanet bert-99 bert-99.9 dlrm-v2-99 dlrm-v2-99.9 3d-unet-99 3d-unet-99.9 gptj-99 gptj-99.9 llama2-70b-99
    llama2-70b-99.9 llama2-70b-interactive-99 llama2-70b-interactive-99.9 stable-diffusion-xl mixtral-8x7b llama3.1-405b
    rgat pointpainting"""
    )
)
_OTHERS_V51 = frozenset(
    _words(
        """retinanet bert-99 bert-99.9 dlrm-v2-99 dlrm-v2-99.9 3d-unet-99 3d-unet-99.9 llama3.1-8b llama3.1-8b-edge
    llama2-70b-99 llama2-70b-99.9 stable-diffusion-xl mixtral-8x7b llama3.1-405b rgat pointpainting deepseek-r1
    whisper"""
    )
)
_OTHERS_V60 = (_OTHERS_V51 - {"dlrm-v2-99", "dlrm-v2-99.9"}) | set(
    _words("gpt-oss-120b wan-2.2-t2v-a14b qwen3-vl-235b-a22b dlrm-v3 yolo-95 yolo-99")
)
_OTHERS_V61 = (_OTHERS_V60 - {"retinanet", "llama2-70b-99", "mixtral-8x7b", "llama3.1-405b", "pointpainting"}) | set(
    _words("qwen3.6-27b e2e-rag-qna e2e-rag-db")
)

_ALIASES_V50 = {
    "ssd-resnet34": "retinanet",
    "mobilenet": "resnet",
    "resnet50": "resnet",
    "llama3_1-405b": "llama3.1-405b",
}
_ALIASES = {**_ALIASES_V50, "llama3_1-8b": "llama3.1-8b", "llama3_1-8b-edge": "llama3.1-8b-edge"}

_TESTS = ("TEST01", "TEST04")
_EDGE_ONLY = {"edge": _EDGE, "datacenter,edge": _BOTH, "edge,datacenter": _BOTH}


def _modern(
    name: str,
    seeds: Seeds,
    wheels: tuple[str, ...],
    *,
    required: Mapping[str, tuple[str, ...]],
    others: frozenset[str],
    aliases: Mapping[str, str],
) -> Round:
    apart = name.startswith("v5")  # since v6.0 all of a result lies in one folder
    return Round(
        name=name,
        seeds=seeds,
        loadgen_wheels=wheels,
        benchmarks=MappingProxyType({"resnet": _resnet(required, _TESTS)}),
        other_benchmarks=others,
        aliases=MappingProxyType(dict(aliases)),
        min_duration_ms=600_000,
        early_stopping=True,
        truncates=True,
        performance_runs=MappingProxyType({}),
        code_folder="code" if apart else "src",
        measurements_folder="measurements" if apart else None,
        compliance_folder="compliance" if apart else None,
        measurement_files=("user.conf", "README.md"),
        system_fields=_FIELDS,
        empty_system_fields=_MAY_BE_EMPTY,
        statuses=frozenset({"available", "preview", "rdi"}),
    )


_ANYTHING: dict[str, tuple[str, ...]] = dict.fromkeys(("edge", "datacenter", "datacenter,edge", "edge,datacenter"), ())

_V05 = Round(
    name="v0.5",
    seeds=Seeds(3133965575612453542, 665484352860916858, 3622009729038561421),
    loadgen_wheels=(),
    benchmarks=MappingProxyType(
        {
            "resnet": _resnet(_ANYTHING, ()),
            "mobilenet": dataclasses.replace(
                _resnet(_ANYTHING, ()),
                name="mobilenet",
                reference_accuracy=71.68,
                accuracy_target=71.68 * 0.98,
                server_latency_ns=10_000_000,
            ),
        }
    ),
    other_benchmarks=frozenset({"ssd-small", "ssd-large", "gnmt"}),
    aliases=MappingProxyType({"ssd-mobilenet": "ssd-small", "ssd-resnet34": "ssd-large", "resnet50": "resnet"}),
    min_duration_ms=60_000,
    early_stopping=False,
    truncates=False,
    performance_runs=MappingProxyType({"Server": 5}),
    code_folder="code",
    measurements_folder="measurements",
    compliance_folder="audit",
    measurement_files=("mlperf.conf", "user.conf", "README.md"),
    system_fields=_FIELDS_V05,
    empty_system_fields=_MAY_BE_EMPTY,
    statuses=frozenset({"available", "preview", "rdi", "rdo", "research", "unofficial"}),
)

ROUNDS: Mapping[str, Round] = MappingProxyType(
    {
        each.name: each
        for each in (
            _V05,
            _modern(
                "v5.0",
                Seeds(6023615788873153749, 15036839855038426416, 9933818062894767841),
                ("5.0.20",),
                required={"datacenter": _DATACENTER, **_EDGE_ONLY},
                others=_OTHERS_V50,
                aliases=_ALIASES_V50,
            ),
            _modern(
                "v5.1",
                Seeds(1780908523862526354, 14771362308971278857, 18209322760996052031),
                ("5.0.24", "5.0.25", "5.1.2", "6.0.3", "6.0.4"),
                required=_EDGE_ONLY,
                others=_OTHERS_V51,
                aliases=_ALIASES,
            ),
            _modern(
                "v6.0",
                Seeds(2465351861681999779, 14276810075590677512, 3936089224930324775),
                ("6.0.5", "6.0.6", "6.0.10", "6.0.13", "6.0.15"),
                required=_EDGE_ONLY,
                others=_OTHERS_V60,
                aliases=_ALIASES,
            ),
            _modern(
                "v6.1",
                Seeds(2085463073848966840, 2747215439041700203, 16159082839903944936),
                ("6.0.16", "6.0.17"),
                required=_EDGE_ONLY,
                others=_OTHERS_V61,
                aliases=_ALIASES,
            ),
        )
    }
)
"""Every round that is known here, the oldest first."""
