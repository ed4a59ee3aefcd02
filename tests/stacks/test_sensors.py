"""Sensors: temperatures, energy, memory and frequencies where the kernel tells, and the reason where it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mlscope.stacks import SAMPLER, Sensors


def machine(folder: Path, files: Mapping[str, str]) -> Sensors:
    """The sensors of a machine with these files."""
    for name, text in {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:  4 kB\n", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Sensors(str(folder / "sys"), str(folder / "proc"))


THERMAL = {"sys/class/thermal/thermal_zone0/temp": "42500\n", "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp\n"}
HWMON = {"sys/class/hwmon/hwmon1/temp2_input": "38000\n", "sys/class/hwmon/hwmon1/temp2_label": "Core 0\n"}
RAPL = {
    "sys/class/powercap/intel-rapl:0/energy_uj": "1234567\n",
    "sys/class/powercap/intel-rapl:0/name": "package-0\n",
}
FREQUENCY = {"sys/devices/system/cpu/cpu3/cpufreq/scaling_cur_freq": "2500000\n"}


def test_every_sensor_has_a_name_a_unit_and_a_value(tmp_path: Path) -> None:
    sensors = machine(tmp_path, {**THERMAL, **HWMON, **RAPL, **FREQUENCY})
    assert sensors.missing == {}
    assert sensors.read() == {
        "temperature_celsius thermal_zone0 (x86_pkg_temp)": 42.5,
        "temperature_celsius hwmon1/temp2 (Core 0)": 38.0,
        "energy_joules intel-rapl:0 (package-0)": pytest.approx(1.234567),
        "frequency_hertz cpu3": 2.5e9,
        "memory_available_bytes": 4096.0,
    }


def test_what_is_not_there_is_named_and_never_zero(tmp_path: Path) -> None:
    sensors = machine(tmp_path, THERMAL)
    assert sensors.missing == {"energy": "the kernel has none", "frequency": "the kernel has none"}
    assert set(sensors.read()) == {"temperature_celsius thermal_zone0 (x86_pkg_temp)", "memory_available_bytes"}


def test_a_sensor_that_holds_no_number_is_told(tmp_path: Path) -> None:
    sensors = machine(tmp_path, {**FREQUENCY, "sys/class/powercap/intel-rapl:0/energy_uj": "N/A"})
    assert sensors.missing == {"temperature": "the kernel has none", "energy": "not a number"}


def test_a_sensor_that_stops_is_left_out_of_the_reading(tmp_path: Path) -> None:
    sensors = machine(tmp_path, {**THERMAL, **RAPL})
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").unlink()
    assert not any(name.startswith("energy") for name in sensors.read())


@pytest.mark.parametrize("words", [[], ["sensors"]])
def test_the_sampler_reads_them_where_it_is_told_to(tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "machine.jsonl"
    command = [sys.executable, "-I", "-S", SAMPLER, str(os.getpid()), str(path), "", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    row = json.loads(path.read_text().splitlines()[-1])
    assert ("sensors" in row) == bool(words)
    if words:
        assert row["sensors"]["memory_own_bytes"] > 1e6
        assert row["sensors"]["memory_available_bytes"] > 1e6
