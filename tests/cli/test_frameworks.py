"""``mlscope info frameworks`` and ``mlscope manifest resolve``: what could run here, and why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.stacks.wheels import only_from, use_uv, wheel

MODEL = """
schema: mlscope/model/v1
name: {name}
version: "1"
task: {task}
framework: {{name: {framework}, version: "{wants}"}}
weights: [{{framework: {framework}, graph: {{source: "file:net.bin"}}}}]
inputs: [{{type: tensor, shape: [4]}}]
outputs: [{{type: {task}}}]
"""


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the packages are."""
    use_uv(monkeypatch)
    folder = tmp_path / "links"
    only_from(folder, monkeypatch)
    wheel(folder, "openvino", "2024.1", requires=["numpy"])
    wheel(folder, "openvino", "2025.0", requires=["numpy"])
    wheel(folder, "mxnet", "1.9.1", tag="cp39-cp39-win_arm64")
    return folder


def model(folder: Path, name: str, framework: str, wants: str = "*", task: str = "classification") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yml"
    path.write_text(MODEL.format(name=name, framework=framework, wants=wants, task=task))
    return path


@pytest.mark.usefixtures("links")
def test_frameworks_are_listed_with_what_can_run_here_and_why_not(run: Run) -> None:
    assert run("stack", "build", "openvino==2024.1").code == 0
    shown = run("info", "frameworks")
    assert shown.code == 0
    lines = {line.split()[0]: line for line in shown.out.splitlines() if line}
    assert lines["openvino"].split()[:6] == ["openvino", "-", "2024.1", "2025.0", "of", "2"]
    assert "caffe, caffe2, cntk: mlscope has no predictor for it" in shown.out
    assert "jax: no index has jax\n" in shown.out
    found = {each["name"]: each for each in run("info", "frameworks", "-f", "json", "--local").json()}
    assert found["openvino"]["offered"] == ["2025.0", "2024.1"]
    assert found["openvino"]["environments"] == ["2024.1"]
    assert found["onnxruntime"]["installed"] is not None
    assert found["onnxruntime"]["why_not"] is found["null"]["why_not"] is found["openvino"]["why_not"] is None
    assert found["mxnet"]["offered"] == []


def test_without_a_network_nobody_is_asked_and_that_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    for variable in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
        monkeypatch.delenv(variable, raising=False)
    asked = {each["name"]: each for each in run("info", "frameworks", "-f", "json").json()}
    assert asked["openvino"]["offered"] is None
    assert asked["openvino"]["why_not"].startswith(
        "not installed, and what the indexes have is not known: http://127.0.0.1:9/simple: "
    )
    local = {each["name"]: each for each in run("info", "frameworks", "-f", "json", "--local").json()}
    assert local["openvino"]["why_not"].endswith("the network was ruled out")
    assert local["onnxruntime"]["why_not"] is None


@pytest.mark.usefixtures("links")
def test_manifests_resolve_to_software_or_to_a_reason(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    model(folder, "a", "openvino", "<2025")
    model(folder, "b", "openvino", "2019.1")
    model(folder, "c", "onnxruntime")
    model(folder, "d", "Caffe", "1.0")
    model(folder, "f", "onnxruntime", task="boundingbox")
    (folder / "set.yml").write_text("schema: mlscope/dataset/v1\nname: x\nversion: '1'\nclasses: 2\n")
    done = run("manifest", "resolve", folder, "-f", "json")
    assert done.code == 0, done
    found = {each["model"] or each["framework"]: each for each in done.json()}
    assert sorted(found) == ["a", "b", "c", "d", "f"]
    assert (found["a"]["version"], found["a"]["stack"]) == ("2024.1", "uv")
    assert len(found["a"]["lock_sha256"]) == 64
    assert found["b"]["version"] is None
    assert "2019.1" in found["b"]["reason"]
    assert found["c"]["stack"] == "host"
    assert found["d"]["reason"] == "mlscope has no predictor for caffe"
    assert found["f"]["version"] == found["c"]["version"]
    assert found["f"]["note"] == "a model for boundingbox; this version evaluates classification"
    assert not any("\n" in (each["reason"] or "") for each in found.values())
    shown = run("manifest", "resolve", folder).out
    assert "a.yml     openvino     <2025   2024.1" in shown
    assert "d.yml:\n  mlscope has no predictor for caffe\n" in shown
    assert "A run with --framework NAME[==VERSION] takes another version" in shown


def test_a_broken_manifest_is_code_3(run: Run, tmp_path: Path) -> None:
    path = model(tmp_path / "models", "a", "nosuch")
    done = run("manifest", "resolve", path.parent)
    assert done.code == 3
    assert f"a.yml:\n  {path}:6:" in done.out
    assert "nosuch" in done.out
    assert run("manifest", "resolve").code == 2


def test_the_original_manifests_resolve_to_software_or_to_a_reason(run: Run, shared_dir: Path) -> None:
    done = run("manifest", "resolve", shared_dir / "mlmodelscope-manifests", "-f", "json")
    assert done.code == 0, done
    found = done.json()
    assert len(found) == 13
    assert all((each["version"] is None) != (each["reason"] is None) for each in found)
    unreachable = [each["reason"] for each in found if each["reason"] and "cannot be reached" in each["reason"]]
    if unreachable:
        pytest.skip(unreachable[0])
    versions = {Path(each["path"]).name: each["version"] for each in found}
    assert versions["mxnet--ResNet50_v1.yml"] == "1.9.1"
    assert versions["mxnet--ResNet50.yml"] is None  # MXNet 1.4.0 is older than any Python that is left
    assert all(versions[name] is None for name in versions if name.startswith("tensorflow"))
