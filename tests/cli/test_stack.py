"""``mlscope stack …``, with wheels of a folder in the place of frameworks."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.stacks.wheels import only_from, use_uv, wheel


@pytest.fixture(autouse=True)
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the packages are."""
    use_uv(monkeypatch)
    folder = tmp_path / "links"
    only_from(folder, monkeypatch)
    wheel(folder, "onnxruntime", "1.18.1", requires=["numpy"])
    wheel(folder, "onnxruntime", "1.20.1", requires=["numpy"])
    wheel(folder, "more", "1.0")
    return folder


def test_a_stack_is_built_listed_shown_and_removed(run: Run) -> None:
    built = run("stack", "build", "onnxruntime==1.20.1")
    assert built.code == 0
    assert "Framework   onnxruntime 1.20.1\n" in built.out
    ((stack),) = json.loads(run("stack", "list", "--format", "json").out)
    assert f"Id          {stack['id']}\n" in built.out
    assert (stack["framework"], stack["framework_version"], stack["kind"]) == ("onnxruntime", "1.20.1", "uv")
    assert stack["id"] in run("stack", "ls").out
    shown = run("stack", "show", stack["id"][:6])
    assert "numpy" in shown.out
    assert "sha256:" in shown.out
    about = json.loads(run("stack", "show", stack["id"], "-f", "json").out)
    assert [each["name"] for each in about["lock"]["packages"]] == ["mlcommons-loadgen", "numpy", "onnxruntime"]
    removed = run("stack", "rm", stack["id"])
    assert removed.out.startswith(f"removed {stack['id']} (onnxruntime 1.20.1, ")
    assert json.loads(run("stack", "list", "-f", "json").out) == []
    assert "there are none yet" in run("stack", "list").err


def test_building_says_what_was_built_as_json_too(run: Run) -> None:
    built = json.loads(run("stack", "build", "ort==1.18.1", "--package", "more", "--format", "json").out)
    assert built["framework"] == "onnxruntime 1.18.1"
    versions = {each["name"]: each["version"] for each in built["lock"]["packages"]}
    assert versions == {"mlcommons-loadgen": "6.0", "more": "1.0", "numpy": "1.26.0", "onnxruntime": "1.18.1"}
    assert Path(built["python"]).is_file()


def test_a_lock_is_a_pylock(run: Run, tmp_path: Path) -> None:
    text = run("stack", "lock", "onnxruntime>=1.19").out
    assert [each["name"] for each in tomllib.loads(text)["packages"]] == ["mlcommons-loadgen", "numpy", "onnxruntime"]
    file = tmp_path / "pylock.toml"
    assert run("stack", "lock", "onnxruntime>=1.19", "-o", file).code == 0
    assert file.read_text() == text
    assert run("stack", "lock", "onnxruntime>=1.19", "-o", file).code == 2
    assert run("stack", "lock", "onnxruntime>=1.19", "-o", file, "--overwrite").code == 0
    assert run("stack", "lock", "onnxruntime", "--overwrite").code == 2
    assert json.loads(run("stack", "lock", "onnxruntime>=1.19", "-f", "json").out)["pylock"] == text


def test_a_lock_is_resolved_anew_on_demand(run: Run, links: Path) -> None:
    assert '"1.20.1"' in run("stack", "lock", "onnxruntime").out
    wheel(links, "onnxruntime", "1.21.0")
    assert '"1.20.1"' in run("stack", "lock", "onnxruntime").out
    assert '"1.21.0"' in run("stack", "lock", "onnxruntime", "--upgrade").out


def test_pruning_spares_what_was_used_lately(run: Run) -> None:
    run("stack", "build", "onnxruntime==1.20.1")
    kept = run("stack", "prune", "--days", "1")
    assert (kept.code, kept.out) == (0, "")
    assert "nothing to remove" in kept.err
    assert [
        each["framework_version"] for each in json.loads(run("stack", "prune", "--days", "0", "-f", "json").out)
    ] == ["1.20.1"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("build", "onnxruntime==9.9.9"), 6, "no package index has onnxruntime==9.9.9 for Python"),
        (("build", "onxruntime"), 6, "did you mean"),
        (("build", "caffe"), 6, "mlscope knows caffe but has no predictor for it"),
        (("build", "onnxruntime==1.20.1", "--python", "3.99"), 6, "Python 3.99 is not installed; there are"),
        (("build", "onnxruntime==1.20.1", "--kind", "vm"), 2, '"vm" is not known'),
        (("lock", "onnxruntime=="), 6, "the version of onnxruntime cannot be chosen"),
        (("show", "0123"), 6, "there is no stack '0123'; mlscope stack list shows them"),
        (("rm",), 2, "no environment is named"),
        (("prune", "--days", "-1"), 2, "--days cannot be negative"),
    ],
)
def test_what_is_wrong_is_one_line(run: Run, words: tuple[str, ...], code: int, said: str) -> None:
    result = run("stack", *words)
    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert len(result.err.splitlines()) == 1


def test_without_an_engine_images_are_one_clear_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("stack", "build", "onnxruntime==1.20.1", "--kind", "container", "--no-cache")
    assert result.code == 6
    assert "neither podman nor docker is installed" in result.err


def test_a_version_without_a_wheel_for_this_python_is_one_line(run: Run, links: Path) -> None:
    wheel(links, "onnxruntime", "1.30.0", tag="cp39-cp39-manylinux_2_17_x86_64")
    result = run("stack", "build", "onnxruntime==1.30.0")
    assert (result.code, len(result.err.splitlines())) == (6, 1)
    assert "onnxruntime 1.30.0 has no wheel for Python" in result.err


def test_no_network_and_a_cold_cache_are_one_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cold"))
    result = run("stack", "build", "onnxruntime==1.20.1", "--local")
    assert (result.code, len(result.err.splitlines())) == (6, 1)
    assert "not in the package cache of this machine, and the network was ruled out" in result.err


def test_a_full_disk_is_one_line_and_nothing_is_kept(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "full"
    full = "echo 'No space left on device (os error 28)' >&2; exit 2"
    uv.write_text(f"""#!/bin/sh\ncase "$*" in *"pip sync"*) {full};; esac\nexec {os.environ["MLSCOPE_UV"]} "$@"\n""")
    uv.chmod(0o755)
    monkeypatch.setenv("MLSCOPE_UV", str(uv))
    result = run("stack", "build", "onnxruntime==1.20.1")
    assert result.code == 10
    assert result.err.splitlines()[-1].startswith(
        "mlscope: error: no space left on the disk; the environment was not made"
    )
    assert json.loads(run("stack", "list", "-f", "json").out) == []
