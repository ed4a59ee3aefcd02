"""The host stack: versions without imports, constraints, and a lock that tells all."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from mlscope._schema import canonical_digest
from mlscope.errors import StackError
from mlscope.manifests import FrameworkManifest
from mlscope.stacks import Stack, host_stack

NUMPY = FrameworkManifest(name="numpy", predictor="numpy", package="numpy")
SHIPPED = FrameworkManifest(name="null", predictor="null")


def test_the_host_stack_is_a_stack() -> None:
    stack: Stack = host_stack(NUMPY, ">=1.26")
    assert stack.python == Path(sys.executable)
    assert stack.framework_version == metadata.version("numpy")
    assert stack.environment() == {}


def test_the_framework_is_not_imported() -> None:
    code = "import sys; from mlscope.manifests import FrameworkManifest as F; from mlscope.stacks import host_stack\n"
    code += "host_stack(F(name='o', predictor='o', package='onnxruntime'), '*').lock()\n"
    code += "assert not {'onnxruntime', 'numpy', 'cv2', 'httpx'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_ships_with_mlscope_has_its_version() -> None:
    assert host_stack(SHIPPED, "*").framework_version == metadata.version("mlscope")


def test_a_version_that_does_not_fit_is_told_with_what_is_wanted() -> None:
    with pytest.raises(StackError) as caught:
        host_stack(NUMPY, "^999.1")
    assert f"numpy {metadata.version('numpy')} is installed, but the model wants ^999.1" in str(caught.value)
    assert "pip install numpy" in str(caught.value)
    with pytest.raises(StackError, match="it comes with mlscope"):
        host_stack(SHIPPED, ">=999")


def test_a_framework_that_is_not_installed_is_told() -> None:
    missing = FrameworkManifest(name="Nets", predictor="nets", package="no-such-package")
    with pytest.raises(StackError, match=r"Nets is not installed in .*pip install no-such-package"):
        host_stack(missing, "*")


def test_a_framework_without_a_predictor_is_told() -> None:
    known = FrameworkManifest(name="CNTK")
    with pytest.raises(StackError, match="mlscope knows CNTK but has no predictor for it in this version"):
        host_stack(known, "*")


def test_a_constraint_that_is_none_is_told() -> None:
    with pytest.raises(StackError, match="numpy cannot be chosen"):
        host_stack(NUMPY, "newest")


def test_the_lock_holds_every_distribution_with_the_digest_of_its_record() -> None:
    lock = host_stack(NUMPY, "*").lock()
    names = [package["name"] for package in lock["packages"]]
    assert names == sorted(set(names))
    assert {"mlscope", "numpy", "pydantic"} <= set(names)
    numpy = next(package for package in lock["packages"] if package["name"] == "numpy")
    record = next(file for file in metadata.files("numpy") or [] if file.name == "RECORD")
    assert numpy == {
        "name": "numpy",
        "version": metadata.version("numpy"),
        "record_sha256": hashlib.sha256(Path(str(record.locate())).read_bytes().replace(b"\r\n", b"\n")).hexdigest(),
    }


def test_the_locks_digest_tells_the_software_and_not_the_place() -> None:
    stack = host_stack(NUMPY, "*")
    assert stack.lock_sha256 == canonical_digest(json.loads(json.dumps(stack.lock())))
    assert stack.lock_sha256 == host_stack(SHIPPED, "*").lock_sha256
    assert sys.prefix not in json.dumps(stack.lock())


def test_another_package_makes_another_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = host_stack(NUMPY, "*")
    info = tmp_path / "Some_Thing-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Some_Thing\nVersion: 1.0\n")
    (tmp_path / "broken-1.0.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    after = host_stack(NUMPY, "*")
    assert after.lock_sha256 != before.lock_sha256
    added = [package for package in after.lock()["packages"] if package not in before.lock()["packages"]]
    assert added == [{"name": "some-thing", "version": "1.0", "record_sha256": None}]


def test_a_worker_sees_the_one_gpu_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("OF_THE_CALLER", "1")
    stack = host_stack(SHIPPED, "*")
    launch = stack.launch(tmp_path, prefix=["nice"], env={"FOO": "bar"}, gpu=1)
    assert launch.command == ("nice", sys.executable)
    names = ("OF_THE_CALLER", "FOO", "CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES")
    assert [launch.environment[name] for name in names] == ["1", "bar", "PCI_BUS_ID", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert stack.launch(tmp_path, gpu=1).environment["CUDA_VISIBLE_DEVICES"] == "3"
    assert stack.launch(tmp_path).environment["CUDA_VISIBLE_DEVICES"] == "2,3"
