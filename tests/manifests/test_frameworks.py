"""Framework manifests: what an environment for a framework consists of."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlscope.manifests import FrameworkManifest, Requires, check, load_framework

GOOD = """\
schema: mlscope/framework/v1
name: net
predictor: net
package: net
packages: [net, "more>=1; platform_machine == 'x86_64'"]
gpu_packages: [net-gpu]
requires:
  - {when: <2, packages: ["numpy<2"]}
  - {packages: [always]}
python: ">=3.9,<3.12"
suffixes: [.net]
"""

FAULTS = [
    ('[net, "more', '["a b", "more', "5:12", "'a b' is no requirement as pip writes them"),
    ("[net-gpu]", "[net @ https://x.org/net.whl]", "6:16", "not from addresses"),
    ("when: <2", "when: newest", "8:12", "no version constraint"),
    ("[always]", "[]", "9:16", "must not be empty"),
    ("packages: [always]", "package: always", "9:6", "unknown key 'package'; did you mean 'packages'?"),
    ('">=3.9,<3.12"', "three", "10:9", "'three' names no Python versions"),
    ("[.net]", "[net]", "11:12", "an ending begins with a dot; did you mean '.net'?"),
]


def write(folder: Path, text: str) -> Path:
    path = folder / "framework.yml"
    path.write_text(text)
    return path


def test_a_manifest_says_what_an_environment_consists_of(tmp_path: Path) -> None:
    assert check([write(tmp_path, GOOD)]) == []
    framework = load_framework("onnxruntime").manifest
    assert framework.gpu_packages == ("onnxruntime-gpu",)
    assert framework.requires == (Requires(when="<1.19", packages=("numpy<2",)),)
    assert FrameworkManifest(name="x").packages == ()


@pytest.mark.parametrize(("old", "new", "position", "words"), FAULTS, ids=[row[1] for row in FAULTS])
def test_a_fault_is_found_where_it_is(tmp_path: Path, old: str, new: str, position: str, words: str) -> None:
    assert GOOD.count(old) == 1
    (finding,) = check([write(tmp_path, GOOD.replace(old, new))])
    assert f"{finding.line}:{finding.column}" == position
    assert words in finding.message
