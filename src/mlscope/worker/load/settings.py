"""LoadGen's TestSettings from a :class:`LoadTest`.

Source of names and defaults: mlcommons/inference, loadgen/test_settings.h and loadgen/bindings/python_api.cc; of what
conf files do: loadgen/test_settings_internal.cc.
"""

from __future__ import annotations

import re
from typing import Any

from mlscope.worker._model import Model
from mlscope.worker._problem import Problem
from mlscope.worker.protocol import LoadTest

__all__ = ["build", "effective", "logs"]

# FromConfig's kinds. 0 reads the mlperf.conf inside LoadGen, whatever the path; 1 does the same and then reads the
# path, once a process (a second call leaves the seeds at 0); 2 reads the path, but no seeds.
_USER, _ANY = 1, 2
_SEEDS = (
    "qsl_rng_seed",
    "sample_index_rng_seed",
    "schedule_rng_seed",
    "test05_qsl_rng_seed",
    "test05_sample_index_rng_seed",
    "test05_schedule_rng_seed",
)
_LINE = re.compile(r"^[^\S\n]*(\S+)[^\S\n]+=[^\S\n]+(\S+)", re.MULTILINE)

_QUERY_NS = 2_000  # what a query costs at least beside the model: LoadGen's own work and the row that is written
_SAMPLE_NS = 400  # the same for each of its samples
_HANDOVER_NS = 20_000  # from LoadGen's issuing thread to the serving thread


def build(loadgen: Any, command: LoadTest, times_ns: list[int], model: Model) -> Any:
    """TestSettings: LoadGen's defaults, then the conf files, then attributes; hints that are missing are measured.

    A user.conf stands on LoadGen's embedded mlperf.conf, or on the one that is given; without a user.conf and a
    mlperf.conf neither is active.

    Args:
        loadgen: The module ``mlperf_loadgen``.
        command: The test.
        times_ns: Times of full batches in the warm-up.
        model: The model, for the rows of one call and the calls that run at once.

    Raises:
        Problem: A conf file that LoadGen refuses, or a setting that is no field of TestSettings.
    """
    wanted = loadgen.TestSettings()
    if command.user_conf:
        _read(wanted, command.user_conf, command, _USER)
    if command.mlperf_conf:
        _read(wanted, command.mlperf_conf, command, _ANY)
        _read_seeds(wanted, command.mlperf_conf, command)
        if command.user_conf:
            _read(wanted, command.user_conf, command, _ANY)
    wanted.scenario = getattr(loadgen.TestScenario, command.scenario)
    wanted.mode = getattr(loadgen.TestMode, command.mode)
    if not command.user_conf:
        _hint(wanted, command, times_ns or [1], model)
    for name, value in command.settings.items():
        if not hasattr(wanted, name):
            raise Problem("option", f"{name!r} is no field of LoadGen's TestSettings")
        try:
            setattr(wanted, name, type(getattr(wanted, name))(value))
        except (OverflowError, TypeError, ValueError) as error:
            raise Problem("option", f"TestSettings.{name} cannot be {value!r}: {error}") from error
    return wanted


def _read(wanted: Any, path: str, command: LoadTest, kind: int) -> None:
    code = wanted.FromConfig(path, command.model_key, command.scenario, kind)
    if code:
        raise Problem("option", f"LoadGen cannot read {path} (error {code}); values must be numbers")


def _read_seeds(wanted: Any, path: str, command: LoadTest) -> None:
    """The seeds of a mlperf.conf, which FromConfig takes from the embedded one only."""
    with open(path, encoding="utf-8") as file:
        lines = {found[1]: found[2] for found in _LINE.finditer(file.read())}
    model, scenario = command.model_key, command.scenario
    for key in _SEEDS:
        for name in (f"*.*.{key}", f"{model}.*.{key}", f"*.{scenario}.{key}", f"{model}.{scenario}.{key}"):
            if name in lines:
                setattr(wanted, key, _seed(name, lines[name]))


def _seed(name: str, text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value < 1 << 64:
        raise Problem("option", f"{name} is a seed, a whole number of 64 bits, not {text!r}")
    return value


def _hint(wanted: Any, command: LoadTest, times_ns: list[int], model: Model) -> None:
    """Expected latency or rate, from the warm-up, where nobody named one.

    LoadGen makes its queries beforehand from these: too slow a guess ends a test early, too fast a one only
    costs memory. LoadGen doubles the number, so nine tenths of the shortest time seen is safe; Offline, whose one
    query is sized by the rate, gets half as much again as was seen. A server is offered half of what it can do.
    """
    samples = 1
    if command.scenario == "MultiStream":
        samples = int(command.settings.get("multi_stream_samples_per_query", wanted.multi_stream_samples_per_query))
    calls = -(-samples // model.batch_size)
    expected = max(int(0.9 * (min(times_ns) * calls + _QUERY_NS + _SAMPLE_NS * samples)), _QUERY_NS)
    wanted.single_stream_expected_latency_ns = expected
    wanted.multi_stream_expected_latency_ns = expected
    mean = sum(times_ns) / len(times_ns)
    rows, streams = model.batch_size, model.streams
    wanted.offline_expected_qps = _round(1.5e9 * streams * rows / (mean + _SAMPLE_NS * rows))
    wanted.server_target_qps = _round(1e9 * streams / (mean + _HANDOVER_NS) / 2)


def _round(rate: float) -> float:
    return float(f"{rate:.2g}")


def logs(loadgen: Any, command: LoadTest) -> Any:
    """LogSettings: files into the run folder, nothing on stdout."""
    wanted = loadgen.LogSettings()
    wanted.enable_trace = command.trace
    wanted.log_output = loadgen.LogOutputSettings()
    wanted.log_output.outdir = command.outdir
    wanted.log_output.copy_summary_to_stdout = False
    return wanted


def effective(wanted: Any, command: LoadTest) -> dict[str, Any]:
    """Every field of TestSettings as it was used, by name; an audit.conf is read as StartTest reads it."""
    if command.audit_conf:
        wanted.FromConfig(command.audit_conf, "*", command.scenario, _ANY)
    found = {}
    for name in dir(wanted):
        value = getattr(wanted, name)
        if name.startswith("_") or callable(value):
            continue
        found[name] = value if isinstance(value, (bool, int, float, str)) else str(value).rpartition(".")[2]
    return found
