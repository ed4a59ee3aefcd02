"""Environments of their own: resolved once, built once, whole or not at all, shared, removed."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlscope.errors import ChecksumError, ResourceError, StackError
from mlscope.manifests import FrameworkManifest, Requires
from mlscope.stacks import (
    HostStack,
    Stack,
    UvStack,
    find_stack,
    list_stacks,
    lock_stack,
    prune_stacks,
    remove_stack,
    stack_from_lock,
)
from mlscope.stacks._pythons import this_python
from tests.stacks.wheels import wheel

TOY = FrameworkManifest(name="toy", predictor="toy", package="toy")
NULL = FrameworkManifest(name="null", predictor="null")
MINOR = this_python().minor.replace(".", "")

pytestmark = pytest.mark.usefixtures("home", "uv")


def own(constraint: str = "*", framework: FrameworkManifest = TOY, **more: object) -> UvStack:
    stack = find_stack(framework, constraint, **more)  # type: ignore[arg-type]
    assert isinstance(stack, UvStack)
    return stack


def inside(stack: Stack, code: str) -> str:
    """What code prints in a stack's interpreter."""
    done = subprocess.run([stack.python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def versions(stack: Stack) -> dict[str, str]:
    return {each["name"]: each["version"] for each in stack.lock()["packages"]}


def folders(home: Path) -> list[str]:
    """What lies in the cache under a stack's name or as a rest of one."""
    names = (path.name for path in (home / "cache" / "stacks").iterdir())
    return [name for name in names if name not in {"locks", "resolved", "pythons.json"}]


@pytest.mark.usefixtures("toys")
def test_a_framework_runs_in_an_environment_of_its_own() -> None:
    stack: Stack = own("==1.0")
    assert stack.kind == "uv"
    assert stack.framework_version == "1.0"
    assert inside(stack, "import toy, numpy; print(toy.__version__, numpy.__version__)") == "1.0 2.1.0"
    assert inside(stack, "import importlib.util as u; print(u.find_spec('mlscope'))") == "None"
    assert own("*").framework_version == "2.0"


@pytest.mark.usefixtures("toys")
def test_the_lock_is_a_pylock_with_the_digest_of_every_wheel(toys: Path) -> None:
    import hashlib
    import tomllib

    lock = own("==1.0").lock()
    assert json.loads(json.dumps(lock)) == lock
    pylock = tomllib.loads(lock["pylock"])
    assert (pylock["lock-version"], pylock["created-by"]) == ("1.0", "mlscope")
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in toys.iterdir()}
    for package, short in zip(pylock["packages"], lock["packages"], strict=True):
        (only,) = package["wheels"]
        assert only["hashes"]["sha256"] == hashes[only["name"]] == short["sha256"]
        assert (package["name"], package["version"]) == (short["name"], short["version"])
    assert versions(own("==1.0")) == {"mlcommons-loadgen": "6.0", "numpy": "2.1.0", "toy": "1.0"}


@pytest.mark.usefixtures("toys")
def test_a_second_use_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    first = own("==1.0")

    def refuse(*args: object, **_: object) -> None:
        raise AssertionError(f"started {args}")

    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    again = own("==1.0")
    assert (again.id, again.lock_sha256) == (first.id, first.lock_sha256)


def test_what_was_resolved_stays_until_an_upgrade(toys: Path) -> None:
    assert own("*").framework_version == "2.0"
    wheel(toys, "toy", "3.0")
    assert own("*").framework_version == "2.0"
    assert own("*", upgrade=True).framework_version == "3.0"
    assert own("*").framework_version == "3.0"


@pytest.mark.usefixtures("toys")
def test_requirements_by_version_hold_for_that_version_only() -> None:
    ruled = TOY.model_copy(update={"requires": (Requires(when="<2", packages=("numpy<2",)),)})
    assert versions(own("==1.0", ruled))["numpy"] == "1.26.0"
    assert versions(own("<2", ruled))["numpy"] == "1.26.0"  # the version is known only when it is resolved
    assert versions(own(">=2", ruled))["numpy"] == "2.1.0"


@pytest.mark.usefixtures("toys")
def test_further_packages_make_another_environment(toys: Path) -> None:
    wheel(toys, "more", "1.0")
    plain, more = own("==1.0"), own("==1.0", extra=["more"])
    assert plain.id != more.id
    assert inside(more, "import more; print(more.__version__)") == "1.0"


def test_a_build_for_the_cpu_on_this_disk_wins_unless_a_gpu_is_asked_for(toys: Path) -> None:
    wheel(
        toys, "toy", "1.5+cpu", tag=f"cp{MINOR}-cp{MINOR}-linux_x86_64" if sys.platform == "linux" else "py3-none-any"
    )
    wheel(toys, "toy", "1.9+cpu", tag="cp30-cp30-linux_x86_64")  # not for this Python
    assert versions(own("*"))["toy"] == "1.5+cpu"
    assert own("==1.5").framework_version == "1.5+cpu"
    assert versions(own(">=2"))["toy"] == "2.0"
    assert versions(own("*", gpu=True))["toy"] == "2.0"


def test_a_build_for_the_cpu_gives_way_where_it_does_not_fit(toys: Path) -> None:
    wheel(toys, "toy", "1.5+cpu", requires=["nowhere"])
    said: list[str] = []
    assert versions(own("*", warn=said.append))["toy"] == "2.0"
    assert any("toy==1.5+cpu" in text and "does not fit" in text for text in said)


def test_without_a_wheel_of_loadgen_the_rest_is_built(toys: Path) -> None:
    next(toys.glob("mlcommons*")).unlink()
    said: list[str] = []
    assert "mlcommons-loadgen" not in versions(own("==1.0", warn=said.append))
    assert any("mlscope benchmark" in text for text in said)


def test_what_ships_with_mlscope_runs_in_an_environment_too(links: Path) -> None:
    stack = own("*", NULL, kind="uv")
    assert stack.framework_version == find_stack(NULL, "*", kind="host").framework_version
    with pytest.raises(StackError, match=r"null comes with mlscope .*, but >=99 is wanted"):
        own(">=99", NULL, kind="uv")


@pytest.mark.usefixtures("toys")
def test_the_host_is_taken_where_it_will_do() -> None:
    numpy = FrameworkManifest(name="numpy", predictor="numpy", package="numpy")
    assert isinstance(find_stack(numpy, "*"), HostStack)
    assert find_stack(numpy, "==1.26.0").kind == "uv"
    assert find_stack(numpy, "*", extra=["toy"]).kind == "uv"
    assert find_stack(numpy, "*", gpu=True).kind == "host"
    for_gpu = numpy.model_copy(update={"gpu_packages": ("toy",)})
    assert find_stack(for_gpu, "*", gpu=True).framework_version == "2.0"
    with pytest.raises(StackError, match="the host's stack is as it is"):
        find_stack(numpy, "*", kind="host", python="3.12")


def test_constraints_of_pips_configuration_hold(toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "constraints.txt").write_text("toy<2\n")
    (tmp_path / "pip.conf").write_text(f"[global]\nconstraint = {tmp_path / 'constraints.txt'}\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    assert versions(own("*"))["toy"] == "1.0"
    with pytest.raises(StackError, match=r"pip's configuration wants toy<2"):
        own(">=2")


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("constraint", "extra", "words"),
    [
        ("==9.9", (), r"no package index has toy==9\.9 for Python"),
        ("==1.0", ("nowhere",), r"no package index has nowhere"),
        ("==1.0", ("numpy<1",), r"the request wants numpy<1|no package index has numpy<1"),
        ("==1.0", ("a b c",), r"'a b c' is no requirement of a package"),
    ],
)
def test_what_cannot_be_had_is_one_line(constraint: str, extra: tuple[str, ...], words: str) -> None:
    with pytest.raises(StackError, match=words) as caught:
        own(constraint, extra=extra)
    assert "\n" not in str(caught.value)


def test_a_version_without_a_wheel_for_this_python_is_told(toys: Path) -> None:
    wheel(toys, "toy", "3.0", tag="cp39-cp39-manylinux_2_17_x86_64")
    with pytest.raises(StackError, match=rf"toy 3\.0 has no wheel for Python {this_python().minor}.*Python 3\.9"):
        own("==3.0")


def test_a_conflict_says_who_needs_what(toys: Path) -> None:
    wheel(toys, "other", "1.0", requires=["numpy<2"])
    with pytest.raises(StackError) as caught:
        own("==1.0", extra=["other", "numpy>=2"])
    said = str(caught.value)
    assert "no set of packages fits together" in said
    assert "other==1.0 needs numpy<2" in said or "all versions of other" in said or "other needs numpy<2" in said
    assert "the request wants" in said
    assert "numpy>=2" in said


def test_an_index_that_cannot_be_reached_is_told(links: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://me:secret@127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(StackError, match=r"the package index 127\.0\.0\.1:9 cannot be reached") as caught:
        own("==1.0")
    assert "secret" not in str(caught.value)


def test_no_network_and_a_cold_cache_are_told(links: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cold"))
    with pytest.raises(StackError, match="not in the package cache of this machine, and the network was ruled out"):
        own("==1.0", offline=True)


def test_a_wheel_that_is_not_the_locked_one_is_refused(toys: Path, home: Path) -> None:
    text = json.dumps(lock_stack(TOY, "==1.0"))
    next(toys.glob("toy-1.0*")).unlink()
    wheel(toys, "toy", "1.0", files={"toy/changed.py": "1\n"})
    with pytest.raises(StackError, match="no configured folder or index has one with sha256"):
        stack_from_lock(text, TOY)
    assert not folders(home)


def test_a_hash_that_does_not_match_is_told_and_nothing_is_built(toys: Path, home: Path, served: str) -> None:
    text = json.dumps(lock_stack(TOY, "==1.0")).replace(toys.as_uri(), served)
    (sha256,) = (each["sha256"] for each in json.loads(text)["packages"] if each["name"] == "toy")
    with pytest.raises(ChecksumError, match=rf"toy==1\.0: the wheel's sha256 is {sha256[:16]}….*promises 0000"):
        stack_from_lock(text.replace(sha256, "0" * 64), TOY)
    assert not folders(home)
    assert stack_from_lock(text, TOY).framework_version == "1.0"


def test_a_wheel_whose_address_is_gone_is_taken_from_the_configured_places(
    toys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    text = json.dumps(lock_stack(TOY, "==1.0")).replace(toys.as_uri(), "http://127.0.0.1:9")
    assert stack_from_lock(text, TOY).framework_version == "1.0"


def test_a_stack_is_rebuilt_from_its_lock(toys: Path) -> None:
    stack = own("==1.0")
    text, sha256, identity = json.dumps(stack.lock()), stack.lock_sha256, stack.id
    del stack
    remove_stack(identity)
    assert not list_stacks()
    again = stack_from_lock(text, TOY)
    assert isinstance(again, UvStack)
    assert (again.lock_sha256, again.id, again.framework_version) == (sha256, identity, "1.0")
    assert again.lock() == json.loads(text)


def test_a_locked_file_that_moved_is_found_by_name_and_sha256(
    toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps(lock_stack(TOY, "==1.0"))
    toys.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "elsewhere"))
    stack = stack_from_lock(text, TOY)
    assert inside(stack, "import toy; print(toy.__version__)") == "1.0"


@pytest.mark.usefixtures("toys")
def test_locks_that_cannot_be_used_are_told() -> None:
    lock = lock_stack(TOY, "==1.0")
    for text, words in (
        ("{", "the lock cannot be read"),
        (json.dumps(lock | {"kind": "vm"}), "a kind that this mlscope does not know: vm"),
        (json.dumps(lock | {"packages": []}), "the lock contradicts itself"),
        (json.dumps(lock | {"python": lock["python"] | {"platform": "plan9-mips"}}), "the lock is for plan9-mips"),
        (json.dumps(lock | {"python": lock["python"] | {"version": "3.99.1"}}), "is not installed"),
    ):
        with pytest.raises(StackError, match=words):
            stack_from_lock(text, TOY)
    other = TOY.model_copy(update={"name": "other", "package": "other"})
    with pytest.raises(StackError, match="the lock has no other"):
        stack_from_lock(json.dumps(lock), other)


def test_a_hosts_lock_is_compared_with_the_host() -> None:
    numpy = FrameworkManifest(name="numpy", predictor="numpy", package="numpy")
    lock = find_stack(numpy, "*", kind="host").lock()
    said: list[str] = []
    assert stack_from_lock(json.dumps(lock), numpy, warn=said.append).kind == "host"
    assert said == []
    for package in lock["packages"]:
        package["version"] = "0.1" if package["name"] == "pydantic" else package["version"]
    stack_from_lock(json.dumps(lock), numpy, warn=said.append)
    assert "pydantic 0.1 → " in said[0]
    for package in lock["packages"]:
        package["version"] = "0.1" if package["name"] == "numpy" else package["version"]
    with pytest.raises(StackError, match=r"the run used numpy 0\.1"):
        stack_from_lock(json.dumps(lock), numpy)


@pytest.mark.usefixtures("toys")
def test_stacks_are_listed_and_removed() -> None:
    one, two = own("==1.0"), own("==2.0")
    listed = {each.id: each for each in list_stacks()}
    assert {(each.framework_version, each.kind, each.in_use) for each in listed.values()} == {
        ("1.0", "uv", True),
        ("2.0", "uv", True),
    }
    assert all(each.size_bytes > 0 and each.packages == 3 for each in listed.values())
    with pytest.raises(StackError, match="the stack is in use"):
        remove_stack(one.id)
    gone = one.id
    del one
    assert remove_stack(gone[:10]).id == gone
    assert [each.id for each in list_stacks()] == [two.id]
    for identity, words in ((gone, "there is no stack"), ("", "there is no stack")):
        with pytest.raises(StackError, match=words):
            remove_stack(identity)


@pytest.mark.usefixtures("toys")
def test_pruning_takes_what_was_not_used_for_long(home: Path) -> None:
    old, new = own("==1.0").id, own("==2.0").id
    stacks = home / "cache" / "stacks"
    month = time.time() - 31 * 86400
    os.utime(stacks / old / "stack.json", (month, month))
    (stacks / ".building-0123456789abcdef").mkdir()
    assert [each.id for each in prune_stacks(30)] == [old]
    assert folders(home) == [new]
    assert own("==1.0").id == old  # built again, from the lock that is still known
    held = own("==2.0")
    assert [each.id for each in prune_stacks(0)] == [old]
    assert folders(home) == [held.id]


@pytest.mark.usefixtures("toys")
def test_an_environment_without_its_interpreter_is_built_again() -> None:
    stack = own("==1.0")
    stack.python.unlink()
    del stack
    assert inside(own("==1.0"), "import toy; print(toy.__version__)") == "1.0"


@pytest.mark.usefixtures("toys")
def test_built_anew_on_demand_unless_it_is_in_use() -> None:
    stack = own("==1.0")
    (stack.path / "mark").touch()
    with pytest.raises(StackError, match="the stack is in use"):
        own("==1.0", fresh=True)
    path = stack.path
    del stack
    assert own("==1.0", fresh=True).path == path
    assert not (path / "mark").exists()


@pytest.mark.usefixtures("toys")
def test_packages_of_the_caller_stay_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "stranger.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    stack = own("==1.0")
    code = "import importlib.util as u; print(u.find_spec('stranger'))"
    done = subprocess.run(
        [stack.python, "-c", code],
        env={**os.environ, **stack.environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "None"


class Wrapped:
    """A uv that notes its calls and does something before it installs."""

    def __init__(self, folder: Path, uv: Path, monkeypatch: pytest.MonkeyPatch, before_sync: str) -> None:
        self.calls = folder / "calls"
        script = folder / "uv"
        script.write_text(
            f'#!/bin/sh\necho "$*" >> {self.calls}\ncase "$*" in *"pip sync"*) {before_sync};; esac\nexec {uv} "$@"\n'
        )
        script.chmod(0o755)
        monkeypatch.setenv("MLSCOPE_UV", str(script))

    def syncs(self) -> int:
        return sum("pip sync" in line for line in self.calls.read_text().splitlines())


@pytest.mark.usefixtures("toys")
def test_a_full_disk_leaves_nothing_behind(
    home: Path, tmp_path: Path, uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = 'echo "cause: failed to copy to /x/y: No space left on device (os error 28)" >&2; exit 2'
    with monkeypatch.context() as patch:
        Wrapped(tmp_path, uv, patch, full)
        with pytest.raises(ResourceError, match="no space left on the disk; the environment was not made"):
            own("==1.0")
    assert folders(home) == []
    assert inside(own("==1.0"), "import toy; print(toy.__version__)") == "1.0"


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 2 MB with MLSCOPE_HOME on it."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root can mount a small file system")
    monkeypatch.setenv("MLSCOPE_HOME", str(folder))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_that_really_fills_up_leaves_nothing_behind(toys: Path, small_disk: Path) -> None:
    wheel(toys, "toy", "4.0", files={"toy/large.txt": "0123456789" * 400_000})
    with pytest.raises(ResourceError, match="no space left on the disk"):
        own("==4.0")
    assert folders(small_disk) == []
    assert own("==1.0").framework_version == "1.0"


def start(home: Path) -> subprocess.Popen[str]:
    """``mlscope stack build toy==1.0`` for the framework of these tests, in a process of its own."""
    code = (
        "from mlscope.manifests import FrameworkManifest as F; from mlscope.stacks import find_stack; import sys\n"
        "s = find_stack(F(name='toy', predictor='toy', package='toy'), '==1.0',"
        " warn=lambda text: print(text, file=sys.stderr))\n"
        "print(s.python)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "MLSCOPE_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.usefixtures("toys")
def test_two_who_want_the_same_build_it_once(
    home: Path, tmp_path: Path, uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_stack(TOY, "==1.0")
    wrapped = Wrapped(tmp_path, uv, monkeypatch, "sleep 3")
    both = [start(home), start(home)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert said[0][0] == said[1][0]
    assert sorted("another process is making" in err for _, err in said) == [False, True]
    assert wrapped.syncs() == 1


@pytest.mark.usefixtures("toys")
def test_a_build_that_is_killed_is_never_used(
    home: Path, tmp_path: Path, uv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        wrapped = Wrapped(tmp_path, uv, patch, "sleep 60")
        process = start(home)
        deadline = time.monotonic() + 30
        while not (wrapped.calls.exists() and wrapped.syncs()) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    (rest,) = folders(home)
    assert rest.startswith(".building-")
    assert not list_stacks()
    stack = own("==1.0")
    assert inside(stack, "import toy; print(toy.__version__)") == "1.0"
    assert folders(home) == [stack.id]


@pytest.mark.usefixtures("toys")
def test_a_lease_ends_with_its_process(home: Path) -> None:
    process = start(home)
    process.communicate(timeout=60)
    (stack,) = list_stacks()
    assert not stack.in_use
    with (home / "cache" / "stacks" / "locks" / f"{stack.id}.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_mlscope_uv_that_is_none_is_told(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSCOPE_UV", str(toys / "no-uv"))
    with pytest.raises(StackError, match="MLSCOPE_UV names no program"):
        own("==1.0")
