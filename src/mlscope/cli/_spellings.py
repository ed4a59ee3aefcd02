"""Other words for commands, most of them MLModelScope's."""

from __future__ import annotations

from mlscope.cli._command import Path

__all__ = ["ALIASES", "TWO_WORDS"]

_REPORT: Path = ("info", "evaluation")

ALIASES: dict[Path, Path] = {
    ("predict", "url"): ("predict", "urls"),
    ("predict", "work-load"): ("predict", "workload"),
    ("predict", "qps"): ("predict", "max-qps"),
    ("predict", "maxqps"): ("predict", "max-qps"),
    ("predict", "findmaxqps"): ("predict", "max-qps"),
    ("download", "model"): ("download", "models"),
    ("download", "datasets"): ("download", "dataset"),
    ("info", "model"): ("info", "models"),
    ("info", "dataset"): ("info", "datasets"),
    ("info", "framework"): ("info", "frameworks"),
    ("evaluation",): _REPORT,
    (*_REPORT, "layer"): (*_REPORT, "layers"),
    (*_REPORT, "layer_tree"): (*_REPORT, "layer-tree"),
    (*_REPORT, "layer_aggregate"): (*_REPORT, "layer-aggregate"),
    (*_REPORT, "layer_aggre_info"): (*_REPORT, "layer-aggregate"),
    (*_REPORT, "cuda_launch"): (*_REPORT, "cuda-launch"),
    (*_REPORT, "gpu_kernel"): (*_REPORT, "kernels"),
    (*_REPORT, "flow"): (*_REPORT, "eventflow"),
    (*_REPORT, "event_flow"): (*_REPORT, "eventflow"),
    ("data", "ls"): ("data", "list"),
    ("manifest", "ls"): ("manifest", "list"),
    ("manifest", "rm"): ("manifest", "remove"),
    ("stack", "ls"): ("stack", "list"),
    ("stack", "remove"): ("stack", "rm"),
}
"""Path → path of the command."""

_OF_LAYER = ("--by", "layer")
_MEASURES = (
    "divergence", "kldivergence", "jensenshannon", "covariance", "correlation", "hellinger", "bhattacharyya",
)  # fmt: skip

TWO_WORDS: dict[Path, tuple[Path, tuple[str, ...]]] = {
    (*_REPORT, *words.split()): ((*_REPORT, command), flags)
    for words, command, flags in (
        ("model info", "model", ()),
        ("model latency", "model", ()),
        ("model throughput", "throughput", ()),
        ("layer info", "layers", ()),
        ("layer latency", "layers", ()),
        ("layer allocated_memory", "layers", ()),
        ("layer aggre_info", "layer-aggregate", ()),
        ("layer aggre_occurrence", "layer-aggregate", ()),
        ("layer aggre_latency", "layer-aggregate", ()),
        ("layer aggre_memory", "layer-aggregate", ()),
        ("layer roofline", "roofline", ()),
        ("gpu_kernel info", "kernels", ()),
        ("gpu_kernel name_aggre_info", "kernels", ("--by", "name")),
        ("gpu_kernel layer_aggre_info", "kernels", _OF_LAYER),
        ("gpu_kernel layer_aggre_flops", "kernels", _OF_LAYER),
        ("gpu_kernel layer_aggre_dram_read", "kernels", _OF_LAYER),
        ("gpu_kernel layer_aggre_dram_write", "kernels", _OF_LAYER),
        ("gpu_kernel layer_aggre_latency", "kernels", _OF_LAYER),
        ("gpu_kernel layer_aggre_achieved_occupancy", "kernels", _OF_LAYER),
        ("gpu_kernel layer_aggre_gpu_cpu", "kernels", _OF_LAYER),
        ("gpu_kernel model_aggre_info", "kernels", ("--by", "model")),
        *((f"database {measure}", "divergence", ()) for measure in _MEASURES),
    )
} | {("database", measure): ((*_REPORT, "divergence"), ()) for measure in _MEASURES}
"""Commands that once were two words → path of the command, and flags that the second word stood for."""
