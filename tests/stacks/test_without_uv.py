"""Without uv: the standard library's venv and its pip make the same environments of the same locks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mlscope.errors import ChecksumError, StackError
from mlscope.manifests import FrameworkManifest
from mlscope.stacks import UvStack, find_stack, list_stacks, stack_from_lock
from mlscope.stacks._pip import Pip
from mlscope.stacks._uv import tool
from tests.stacks.wheels import wheel

TOY = FrameworkManifest(name="toy", predictor="toy", package="toy")

pytestmark = [pytest.mark.usefixtures("home"), pytest.mark.slow]


@pytest.fixture(autouse=True)
def _no_uv(monkeypatch: pytest.MonkeyPatch, toys: Path) -> None:
    monkeypatch.setenv("MLSCOPE_UV", "")


def test_the_environment_holds_the_locked_wheels_and_no_pip() -> None:
    assert isinstance(tool(), Pip)
    stack = find_stack(TOY, "==1.0")
    assert isinstance(stack, UvStack)
    code = "from importlib.metadata import distributions as d; print(sorted(x.name + ' ' + x.version for x in d()))"
    done = subprocess.run([stack.python, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['mlcommons-loadgen 6.0', 'numpy 2.1.0', 'toy 1.0']"
    assert find_stack(TOY, "==1.0").lock_sha256 == stack.lock_sha256


def test_the_lock_is_the_one_that_uv_makes(uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_uv = find_stack(TOY, "==1.0", upgrade=True)
    monkeypatch.setenv("MLSCOPE_UV", "")
    by_pip = find_stack(TOY, "==1.0", upgrade=True)
    assert by_pip.lock_sha256 == by_uv.lock_sha256
    packages = by_uv.lock()["packages"]
    assert [each["name"] for each in packages] == ["mlcommons-loadgen", "numpy", "toy"]


def test_what_cannot_be_had_is_one_line(links: Path) -> None:
    wheel(links, "other", "1.0", requires=["numpy<2"])
    for constraint, extra, words in (
        ("==9.9", [], r"no package index has toy==9\.9 for Python"),
        ("==1.0", ["other", "numpy>=2"], r"other 1\.0 needs numpy<2; the request wants numpy>=2"),
    ):
        with pytest.raises(StackError, match=words) as caught:
            find_stack(TOY, constraint, extra=extra)
        assert "\n" not in str(caught.value)
    with pytest.raises(StackError, match="pip cannot make an environment without a network; install uv"):
        find_stack(TOY, "==1.0", offline=True)


def test_a_hash_that_does_not_match_is_told(toys: Path, served: str) -> None:
    text = json.dumps(find_stack(TOY, "==1.0").lock()).replace(toys.as_uri(), served)
    (sha256,) = (each["sha256"] for each in json.loads(text)["packages"] if each["name"] == "toy")
    with pytest.raises(ChecksumError, match=rf"the wheel's sha256 is {sha256[:16]}….*promises 0000"):
        stack_from_lock(text.replace(sha256, "0" * 64), TOY)
    assert len(list_stacks()) == 1
