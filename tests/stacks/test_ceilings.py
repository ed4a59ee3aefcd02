"""The machine's ceilings: measured once, then read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlscope.stacks import machine_ceilings


def test_ceilings_are_measured_once_a_machine(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = {"hostname": "lab", "cpu_name": "A CPU"}
    found = machine_ceilings(machine)
    assert found["gflops_all_threads"] >= found["gflops_one_thread"] > 0
    assert found["gigabytes_per_s_all_threads"] >= found["gigabytes_per_s_one_thread"] > 0
    monkeypatch.setattr("subprocess.run", None)
    assert machine_ceilings(machine) == found
    with pytest.raises(TypeError):
        machine_ceilings({**machine, "cpu_name": "another"})
