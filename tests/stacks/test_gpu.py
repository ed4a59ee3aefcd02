"""GPUs: found where there are some, and one clear error where there are none."""

from __future__ import annotations

import pytest

from mlscope.errors import StackError
from mlscope.stacks import describe_machine, find_gpu
from tests.stacks.conftest import Command, Machine

TWO = """cat <<END
0, NVIDIA A100-SXM4-40GB, 40960, 550.54.15, 00000000:00:04.0, 8.0, 400.00
1, Tesla V100, [N/A], 550.54.15, 00000000:00:05.0, [N/A], [Not Supported]
END
exit 0"""


@pytest.fixture
def two_gpus(command: Command) -> None:
    # `read` and `echo` are the shell's own: PATH has nothing else.
    command("nvidia-smi", TWO.replace("cat <<END", 'while read -r line; do echo "$line"; done <<END'))


@pytest.mark.usefixtures("two_gpus")
def test_a_gpu_is_found_by_its_number() -> None:
    assert find_gpu(0) == "NVIDIA A100-SXM4-40GB"
    assert find_gpu(1) == "Tesla V100"


@pytest.mark.usefixtures("two_gpus")
def test_a_number_that_no_gpu_has_is_told_with_those_that_exist() -> None:
    with pytest.raises(StackError, match=r"no GPU has the number 2; there are 0 \(NVIDIA A100.*1 \(Tesla V100\)"):
        find_gpu(2)


@pytest.mark.usefixtures("two_gpus")
def test_gpus_stand_in_the_machines_description(machine: Machine) -> None:
    found = describe_machine(machine({}))
    assert found["gpu_names"] == ("NVIDIA A100-SXM4-40GB", "Tesla V100")
    first, second = found["details"]["gpus"]
    assert first["memory_bytes"] == 40960 << 20
    assert first["power_limit_w"] == 400.0
    assert second == {
        "index": 1,
        "name": "Tesla V100",
        "driver_version": "550.54.15",
        "pci_bus_id": "00000000:00:05.0",
    }


@pytest.mark.parametrize("script", ["exit 9", "echo 'No devices were found'", "echo"])
def test_without_a_gpu_the_error_says_what_to_do(command: Command, script: str) -> None:
    command("nvidia-smi", script)
    with pytest.raises(StackError, match="no GPU was found on this machine; leave out --gpu"):
        find_gpu(0)


def test_without_nvidia_smi_the_driver_tells_the_names(machine: Machine, command: Command) -> None:
    root = machine({"proc/driver/nvidia/gpus/0000:00:04.0/information": "Model: \t Tesla T4\nIRQ: 35"})
    assert describe_machine(root)["gpu_names"] == ("Tesla T4",)
