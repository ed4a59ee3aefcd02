"""Containers: command lines against a recorded engine. No real engine has run any of this."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from mlscope.conductor._worker import Worker
from mlscope.errors import ResourceError, StackError, WorkerError
from mlscope.manifests import FrameworkManifest
from mlscope.stacks import ContainerStack, _launch, find_stack, list_stacks, remove_stack, stack_from_lock
from mlscope.stacks._environment import telling_variables
from mlscope.stacks._pythons import this_python
from mlscope.worker import protocol
from tests.stacks.engine import Engine

TOY = FrameworkManifest(name="toy", predictor="toy", package="toy")
BASE = f"docker.io/library/python:{this_python().minor}-slim"
IMAGE, DIGEST = "sha256:" + "a" * 64, "sha256:" + "b" * 64

pytestmark = pytest.mark.usefixtures("home", "uv", "toys")


@pytest.fixture(params=["docker", "podman"])
def engine(request: pytest.FixtureRequest, uv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    folder = tmp_path / "engine"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return Engine(folder, request.param)


def contained(**more: object) -> ContainerStack:
    stack = find_stack(TOY, "==1.0", kind="container", **more)  # type: ignore[arg-type]
    assert isinstance(stack, ContainerStack)
    return stack


def test_an_image_is_built_from_the_lock(engine: Engine) -> None:
    stack = contained()
    assert (stack.kind, stack.image, stack.base) == ("container", IMAGE, f"{BASE}@{DIGEST}")
    assert engine.asked("pull") == [["pull", BASE]]
    ((*_, context),) = engine.asked("build")
    building = str(stack.path.with_name(f".building-{stack.id}"))
    assert engine.asked("build") == [
        ["build", "--file", f"{building}/Containerfile", "--tag", f"mlscope-stack:{stack.id}", building]
    ]
    assert context == building
    assert (stack.path / "Containerfile").read_text() == (
        "# Written by mlscope from a lock; the base image is named by its digest, every wheel by its sha256.\n"
        f"FROM {BASE}@{DIGEST}\n"
        "COPY wheels/ /stack/wheels/\n"
        "COPY requirements.txt pylock.toml /stack/\n"
        "RUN python -m pip install --no-cache-dir --no-deps --require-hashes -r /stack/requirements.txt\n"
    )
    sha256 = {each["name"]: each["sha256"] for each in stack.lock()["packages"]}
    lines = (stack.path / "requirements.txt").read_text().splitlines()
    assert f"toy @ file:///stack/wheels/toy-1.0-py3-none-any.whl --hash=sha256:{sha256['toy']}" in lines
    assert len(lines) == 3


def test_a_second_use_builds_nothing_and_no_cache_builds_anew(engine: Engine) -> None:
    first = contained()
    assert contained().lock_sha256 == first.lock_sha256
    assert len(engine.asked("build")) == 1
    identity = first.id
    del first
    contained(fresh=True)
    assert len(engine.asked("build")) == 2
    assert "--no-cache" in engine.asked("build")[1]
    assert [(each.id, each.kind) for each in list_stacks()] == [(identity, "container")]


def test_a_run_maps_folder_user_environment_and_gpu(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in telling_variables(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    monkeypatch.setenv("SECRET_OF_MINE", "x")
    folder, scratch, models = tmp_path / "run", tmp_path / "scratch", tmp_path / "models"
    for each in (folder, scratch, models):
        each.mkdir()
    (models / "link.onnx").symlink_to(tmp_path / "blobs" / "model.onnx")
    files = [models / "model.onnx", models / "link.onnx", folder / "inside"]
    stack = contained()
    launch = stack.launch(
        folder, prefix=["taskset", "-c", "0"], files=files, writable=[scratch], env={"FOO": "bar baz"}, gpu=1
    )
    package = Path(_launch.__file__).parents[1]
    podman = engine.program.name == "podman"
    *_, name = launch.end
    assert launch.command == (
        *(sys.executable, "-I", _launch.__file__, str(engine.program)),
        *("run", "--rm", "--init", "--interactive", "--name", name, "--network", "none"),
        *("--user", f"{os.getuid()}:{os.getgid()}", *(["--userns", "keep-id"] if podman else [])),
        *("--security-opt", "label=disable"),
        *("--env-file", f"{folder}/container.env", "--workdir", str(folder)),
        *("--mount", f"type=bind,source={folder},target={folder}"),
        *("--mount", f"type=bind,source={scratch},target={scratch}"),
        *("--mount", f"type=bind,source={package},target={package},readonly"),
        *("--mount", f"type=bind,source={models},target={models},readonly"),
        *("--mount", f"type=bind,source={tmp_path}/blobs,target={tmp_path}/blobs,readonly"),
        *(["--device", "nvidia.com/gpu=1"] if podman else ["--gpus", "device=1"]),
        *(IMAGE, "--", "taskset", "-c", "0", "/usr/local/bin/python"),
    )
    assert launch.end == (str(engine.program), "kill", name)
    assert (folder / "container.env").read_text() == "HOME=/tmp\nOMP_NUM_THREADS=2\nFOO=bar baz\n"
    assert "gpu" not in " ".join(stack.launch(folder).command)
    with pytest.raises(StackError, match="FOO cannot be handed to a container"):
        stack.launch(folder, env={"FOO": "a\nb"})
    with pytest.raises(StackError, match="with a comma cannot be mapped"):
        stack.launch(folder, writable=[tmp_path / "a,b"])


@pytest.mark.usefixtures("engine")
def test_folders_that_the_image_needs_are_not_hidden(tmp_path: Path) -> None:
    command = contained().launch(tmp_path, files=[Path("/usr/share/model.onnx"), Path("/tmp/model.onnx")]).command
    assert "type=bind,source=/usr/share/model.onnx,target=/usr/share/model.onnx,readonly" in command
    assert "type=bind,source=/tmp/model.onnx,target=/tmp/model.onnx,readonly" in command


def test_of_the_visible_gpus_one_is_handed_on(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-77")
    stack = contained()
    words = " ".join(stack.launch(tmp_path, gpu=1).command)
    assert ("nvidia.com/gpu=GPU-77" if engine.program.name == "podman" else "device=GPU-77") in words
    assert "CUDA_VISIBLE_DEVICES" not in (tmp_path / "container.env").read_text()
    with pytest.raises(StackError, match="offers 2 GPUs, so none has the number 2"):
        stack.launch(tmp_path, gpu=2)


def test_a_worker_talks_through_the_engine(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    worker = Worker(contained(), folder=folder, log=folder / "worker.log")
    try:
        assert worker.numpy == np.__version__
        loaded = worker.load(protocol.Load("null", {}, [protocol.Tensor("x", "float32", (3,))], 1, 1))
        assert loaded.inputs[0].name == "x"
        worker.quit()
    finally:
        worker.kill()
    assert worker.channel.process.returncode == 0
    assert engine.asked("kill") == []


def test_a_container_is_killed_with_its_command(engine: Engine, tmp_path: Path) -> None:
    worker = Worker(contained(), folder=tmp_path, log=tmp_path / "worker.log")
    worker.kill()
    (run,) = engine.asked("run")
    assert engine.asked("kill") == [["kill", run[run.index("--name") + 1]]]


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        (125, StackError, r"(docker|podman) cannot start the worker: Error: no such device"),
        (127, StackError, r"cannot start the worker"),
        (139, WorkerError, r"the worker was ended by SIGSEGV"),
        (137, WorkerError, r"the worker was ended by SIGKILL"),
        (3, WorkerError, r"exit code 3.*Error: no such device"),
    ],
)
def test_what_the_engine_says_of_a_worker_that_does_not_start(
    code: int, kind: type[Exception], message: str, engine: Engine, tmp_path: Path
) -> None:
    engine.refuse(code, "Error: no such device")
    with pytest.raises(kind, match=message):
        Worker(contained(), folder=tmp_path, log=tmp_path / "worker.log")


def test_the_launcher_wants_the_workers_command_line() -> None:
    with pytest.raises(SystemExit, match="must end with --commands FD --answers FD"):
        _launch.inside(["docker", "run", "image", "--", "python", "main.py"])


def test_an_image_is_built_again_from_its_lock_on_the_same_base(engine: Engine) -> None:
    stack = contained()
    text, sha256, identity = json.dumps(stack.lock()), stack.lock_sha256, stack.id
    del stack
    remove_stack(identity)
    again = stack_from_lock(text, TOY)
    assert isinstance(again, ContainerStack)
    assert (again.lock_sha256, again.base) == (sha256, f"{BASE}@{DIGEST}")
    assert len(engine.asked("pull")) == 1


def test_what_the_engine_cannot_do_is_one_line(engine: Engine) -> None:
    engine.fail("step 3\nfailed to solve: process did not complete")
    with pytest.raises(StackError, match=r"build failed: step 3 failed to solve: process did not complete"):
        contained()
    engine.fail("write /var/lib/x: no space left on device")
    with pytest.raises(ResourceError, match="no space left for images"):
        contained()
    assert not list_stacks()


@pytest.mark.usefixtures("engine")
def test_without_a_network_the_base_image_must_be_here() -> None:
    find_stack(TOY, "==1.0", kind="uv")
    with pytest.raises(StackError, match=r"is not here, and the network was ruled out"):
        contained(offline=True)


def test_no_engine_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="neither podman nor docker is installed"):
        contained()
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    docker.chmod(0o755)
    with pytest.raises(StackError, match="no container engine runs here: docker info failed: Cannot connect"):
        contained()
    monkeypatch.setenv("MLSCOPE_ENGINE", "nerdctl")
    with pytest.raises(StackError, match="nerdctl is not installed"):
        contained()
