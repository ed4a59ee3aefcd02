"""The description of a machine: known machines are told right, and what is missing is absent."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlscope.stacks
from mlscope.results import System
from mlscope.stacks import describe_machine
from mlscope.stacks._reading import cpu_list
from tests.stacks.conftest import Command, Machine

CPU = "sys/devices/system/cpu"


def intel_cpu(number: int, package: int, siblings: str) -> dict[str, str]:
    folder = f"{CPU}/cpu{number}"
    return {
        f"{folder}/topology/physical_package_id": str(package),
        f"{folder}/topology/thread_siblings_list": siblings,
        f"{folder}/cache/index0/level": "1",
        f"{folder}/cache/index0/type": "Data",
        f"{folder}/cache/index0/size": "48K",
        f"{folder}/cache/index0/shared_cpu_list": siblings,
        f"{folder}/cache/index3/level": "3",
        f"{folder}/cache/index3/type": "Unified",
        f"{folder}/cache/index3/size": "30M",
        f"{folder}/cache/index3/shared_cpu_list": f"socket {package}",
        f"{folder}/cpufreq/scaling_governor": "performance" if package else "powersave",
        f"{folder}/cpufreq/cpuinfo_min_freq": "800000",
        f"{folder}/cpufreq/cpuinfo_max_freq": str(3_500_000 + number),
        f"{folder}/cpufreq/scaling_max_freq": "2000000",
    }


SERVER = {
    "proc/cpuinfo": "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R)  Xeon(R) Gold\n"
    "flags\t\t: sse2 avx512f\n\nprocessor\t: 1\nmodel name\t: not this one",
    "proc/meminfo": "MemTotal:       1000 kB\nMemAvailable:    900 kB\nSwapTotal:         0 kB\nHugePages_Total:  7",
    "proc/loadavg": "0.50 1.25 2.00 1/123 4567",
    "proc/self/cgroup": "0::/user/task",
    "sys/fs/cgroup/cpu.max": "max 100000",
    "sys/fs/cgroup/user/cpu.max": "150000 100000",
    "sys/fs/cgroup/user/task/cpu.max": "max 100000",
    "sys/fs/cgroup/user/task/memory.max": "max",
    "sys/fs/cgroup/user/memory.max": "1073741824",
    f"{CPU}/online": "0-3",
    f"{CPU}/smt/active": "1",
    f"{CPU}/intel_pstate/no_turbo": "1",
    f"{CPU}/vulnerabilities/meltdown": "Mitigation: PTI",
    f"{CPU}/vulnerabilities/mds": "Not affected",
    "sys/devices/system/node/node0/cpulist": "0-1",
    "sys/devices/system/node/node0/meminfo": "Node 0 MemTotal:  500 kB",
    "sys/devices/system/node/node1/cpulist": "2-3",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never",
    "sys/class/dmi/id/sys_vendor": "Amazon EC2",
    "sys/class/dmi/id/product_name": "c5.large",
    "sys/class/dmi/id/product_serial": "geheim",
    "run/.containerenv": "",
    **intel_cpu(0, 0, "0-1"),
    **intel_cpu(1, 0, "0-1"),
    **intel_cpu(2, 1, "2-3"),
    **intel_cpu(3, 1, "2-3"),
}


def test_the_public_names_are_these() -> None:
    assert mlscope.stacks.__all__ == [
        "SAMPLER",
        "ChosenVersion",
        "ContainerStack",
        "FrameworkState",
        "HostStack",
        "Kind",
        "Meter",
        "Sensors",
        "Stack",
        "StoredStack",
        "UvStack",
        "about_stack",
        "choose_version",
        "cpu_stat_file",
        "describe_machine",
        "find_gpu",
        "find_stack",
        "framework_states",
        "host_stack",
        "judge",
        "known_ceilings",
        "list_stacks",
        "lock_stack",
        "machine_ceilings",
        "machine_state",
        "measure_clocks",
        "named_framework",
        "prune_stacks",
        "remove_stack",
        "stack_from_lock",
    ]


def test_this_machine_fills_the_records_system() -> None:
    system = System(**describe_machine())
    assert system.hostname == socket.gethostname()
    assert system.cpu_count >= 1
    assert system.memory_bytes > 1 << 20
    assert platform.python_version() in system.python
    assert system.kernel == f"{platform.system()} {platform.release()}"
    json.dumps(system.model_dump(mode="json"), allow_nan=False)


def test_a_server_with_two_sockets_is_told_right(machine: Machine, command: Command) -> None:
    found = describe_machine(machine(SERVER))
    cpu = found["details"]["cpu"]
    assert found["cpu_name"] == "Intel(R) Xeon(R) Gold"
    assert found["memory_bytes"] == 1000 * 1024
    assert (cpu["threads"], cpu["cores"], cpu["sockets"], cpu["threads_per_core"]) == (4, 2, 2, 2)
    assert cpu["smt"] is True
    assert cpu["turbo"] is False
    assert cpu["flags"] == ["avx512f", "sse2"]
    assert cpu["governors"] == ["performance", "powersave"]
    assert cpu["caches"] == {
        "L1d": {"size_bytes": 48 << 10, "instances": 2},
        "L3": {"size_bytes": 30 << 20, "instances": 2},
    }
    assert cpu["frequency_khz"] == {"hardware_min": 800_000, "hardware_max": 3_500_003, "allowed_max": 2_000_000}
    assert cpu["numa"] == {"0": {"cpus": "0-1", "memory_bytes": 500 * 1024}, "1": {"cpus": "2-3"}}
    assert cpu["mitigations"] == {"meltdown": "Mitigation: PTI"}
    assert found["details"]["memory"] == {
        "total_bytes": 1000 * 1024,
        "available_bytes": 900 * 1024,
        "swap_total_bytes": 0,
        "transparent_hugepages": "madvise",
    }
    assert found["details"]["load_average"] == [0.5, 1.25, 2.0]
    assert found["details"]["product"] == {"vendor": "Amazon EC2", "name": "c5.large"}
    assert found["details"]["virtualisation"] == {"container": "podman"}
    assert "geheim" not in json.dumps(found)


def test_a_limit_of_any_group_above_counts(machine: Machine, command: Command) -> None:
    found = describe_machine(machine(SERVER))
    assert found["details"]["cgroup"] == {"version": 2, "cpu_quota_cores": 1.5, "memory_limit_bytes": 1 << 30}
    assert found["cpu_count"] == 1


def test_cgroup_version_1_is_understood(machine: Machine, command: Command) -> None:
    root = machine(
        {
            "proc/self/cgroup": "4:memory:/job\n1:cpu,cpuacct:/job\n0::/",
            "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "50000",
            "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/memory/job/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "2048",
        }
    )
    found = describe_machine(root)
    assert found["details"]["cgroup"] == {"version": 1, "cpu_quota_cores": 0.5, "memory_limit_bytes": 2048}
    assert found["cpu_count"] == 1


def test_a_board_that_hides_its_name_from_the_kernel_is_told_by_lscpu(machine: Machine, command: Command) -> None:
    fields = [
        {"field": "Architecture:", "data": "aarch64"},
        {"field": "Vendor ID:", "data": "ARM", "children": [{"field": "Model name:", "data": "Cortex-A72"}]},
        {"field": "Hypervisor vendor:", "data": "KVM"},
    ]
    command("lscpu", f"echo '{json.dumps({'lscpu': fields})}'")
    root = machine(
        {
            "proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd08",
            "proc/device-tree/model": "Raspberry Pi 4\0",
            f"{CPU}/online": "0",
            f"{CPU}/cpufreq/boost": "0",
            f"{CPU}/cpu0/topology/physical_package_id": "-1",
        }
    )
    found = describe_machine(root)
    assert found["cpu_name"] == "Cortex-A72"
    assert found["details"]["product"] == {"name": "Raspberry Pi 4"}
    assert found["details"]["virtualisation"] == {"hypervisor": "KVM"}
    cpu = found["details"]["cpu"]
    assert cpu["flags"] == ["asimd", "fp"]
    assert cpu["turbo"] is False
    assert cpu["threads"] == 1
    assert "sockets" not in cpu
    assert "cores" not in cpu


@pytest.mark.parametrize("printed", ["", "no json", "[]", '{"lscpu": [{"data": "x"}]}', '{"lscpu": 3}'])
def test_what_cannot_be_found_out_is_absent_and_never_zero(machine: Machine, command: Command, printed: str) -> None:
    command("lscpu", f"echo '{printed}'")
    found = describe_machine(machine({}))
    System(**found)
    assert found["cpu_name"] == "unknown"
    assert found["gpu_names"] == ()
    assert found["memory_bytes"] > 1 << 20
    assert set(found["details"]) <= {"affinity", "libc", "environment"}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processor affinity on this system")
def test_only_cores_that_may_be_used_are_counted() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from mlscope.stacks import describe_machine; print(describe_machine()['cpu_count'])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "1\n"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("x86_64", "amd64"), ("aarch64", "arm64"), ("ppc64le", "ppc64le"), ("i686", "i386"), ("s390x", "s390x")],
)
def test_architectures_have_the_originals_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ours: str, theirs: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: ours)
    assert describe_machine(tmp_path)["machine_architecture"] == theirs


def test_variables_that_change_results_are_told_and_secrets_are_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    telling = {
        "OMP_NUM_THREADS": "3",
        "KMP_AFFINITY": "compact",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_CORETYPE": "Haswell",
        "ORT_LOGGING_LEVEL": "1",
        "TF_NUM_INTRAOP_THREADS": "2",
        "XNNPACK_FORCE": "1",
        "LD_PRELOAD": "libjemalloc.so",
    }
    secret = {
        "ORT_TOKEN": "geheim",
        "TF_API_KEY": "geheim",
        "MXNET_AWS_SECRET": "geheim",
        "TORCH_PASSWORD": "geheim",
        "DATABASE_URL": "geheim",
        "TORCH_PROXY": "http://user:geheim@host",
    }
    for name, value in {**telling, **secret}.items():
        monkeypatch.setenv(name, value)
    found = describe_machine(tmp_path)["details"]["environment"]
    assert telling.items() <= found.items()
    assert "geheim" not in json.dumps(found)


@given(st.sets(st.integers(0, 999), max_size=20))
def test_a_kernel_list_of_cpus_is_read_as_the_kernel_writes_it(cpus: set[int]) -> None:
    ranges: list[list[int]] = []
    for cpu in sorted(cpus):
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    written = ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)
    assert cpu_list(written) == sorted(cpus)
