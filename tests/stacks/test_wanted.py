"""From a framework's manifest and a constraint to requirements."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from packaging.version import Version

from mlscope.errors import StackError
from mlscope.manifests import Constraint, FrameworkManifest, Requires, list_frameworks
from mlscope.stacks import named_framework
from mlscope.stacks._pythons import this_python
from mlscope.stacks._wanted import Wanted


def wanted(constraint: str = "*", *, extra: tuple[str, ...] = (), gpu: bool = False, **fields: Any) -> Wanted:
    framework = FrameworkManifest(name="net", predictor="net", **fields)
    return Wanted(framework, Constraint.parse(constraint), extra, gpu, this_python())


def test_every_environment_has_numpy_and_loadgen_beside_the_framework() -> None:
    assert wanted("^1.3", package="Net_Works").requirements(None) == {
        "numpy": "every worker",
        "mlcommons-loadgen": "every worker",
        "Net_Works<2,>=1.3": "the request",
    }
    assert wanted().requirements(None, loadgen=False) == {"numpy": "every worker"}


def test_the_first_package_whose_marker_holds_is_the_framework() -> None:
    packages = ("slow; python_version < '3'", "quick[all]; python_version >= '3'", "other>2")
    found = wanted("==1.2.3", packages=packages, package="host")
    assert found.package == "quick"
    assert set(found.requirements("1.2.3")) == {"numpy", "mlcommons-loadgen", "quick[all]==1.2.3", "other>2"}
    markers = dataclasses.replace(found, python=dataclasses.replace(this_python(), version="2.7.18"))
    assert markers.package == "slow"


def test_a_gpu_has_packages_of_its_own() -> None:
    fields: dict[str, Any] = {"package": "net", "packages": ("net",), "gpu_packages": ("net-gpu",)}
    assert (wanted(**fields).package, wanted(gpu=True, **fields).package) == ("net", "net-gpu")
    assert wanted(gpu=True, package="net").package == "net"


def test_rules_hold_for_the_versions_that_they_name() -> None:
    rules = (Requires(when="<2", packages=("numpy<2",)), Requires(when="*", packages=("always",)))
    found = wanted(package="net", requires=rules)
    assert set(found.requirements("1.9")) == {"numpy", "mlcommons-loadgen", "net==1.9", "numpy<2", "always"}
    assert "numpy<2" not in found.requirements("2.0")
    assert "always" not in found.requirements(None)


def test_a_version_is_pinned_where_there_is_no_choice() -> None:
    assert wanted("==1.2.3").pinned() == "1.2.3"
    assert wanted("1.2").pinned() is None
    assert wanted(">=1").pinned() is None


def test_what_speaks_against_a_version_is_seen() -> None:
    found = wanted(">=2", package="net", extra=("more<3",))
    assert found.admits("net", Version("2.13.0+cpu"))
    assert not found.admits("net", Version("1.9+cpu"))
    assert not found.admits("more", Version("3.1+cpu"))
    assert found.admits("unheard", Version("1"))


@pytest.mark.parametrize(
    ("text", "name", "constraint"),
    [
        ("onnxruntime", "onnxruntime", "*"),
        ("onnxruntime==1.20.1", "onnxruntime", "==1.20.1"),
        (" ORT >=1.18,<1.20 ", "onnxruntime", ">=1.18,<1.20"),
        ("mxnet^1.9", "mxnet", "^1.9"),
        ("mxnet 1.9", "mxnet", "1.9"),
        ("pytorch~=2.4", "pytorch", "~=2.4"),
        ("jax*", "jax", "*"),
    ],
)
def test_frameworks_are_named_with_their_versions(text: str, name: str, constraint: str) -> None:
    framework, found = named_framework(text)
    assert (framework.name, found) == (name, constraint)


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "names no framework"), ("==1", "names no framework"), ("onxruntime", "did you mean"), ("jax==x", "jax")],
)
def test_frameworks_that_cannot_be_named_are_told(text: str, words: str) -> None:
    with pytest.raises(StackError, match=words):
        named_framework(text)


def test_the_built_in_frameworks_name_packages_that_can_be_asked_for() -> None:
    for found in list_frameworks():
        framework = found.manifest
        some = Wanted(framework, Constraint.parse("*"), (), False, this_python())
        assert (some.package is None) == (framework.package is None), framework.name
        assert some.requirements("1.0")
