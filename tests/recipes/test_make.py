"""Recipes: made once, kept whole with their provenance, refused where they would not be."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlscope.errors import AssetError, ChecksumError, UsageError
from mlscope.recipes import make, provenance
from tests.recipes.conftest import COPY, Kitchen

KEPT = ["lock.json", "log.txt", "made.txt", "recipe.json"]


def test_a_script_gets_its_job_and_its_file_is_handed_out(kitchen: Kitchen) -> None:
    found = kitchen.make(arguments={"depth": 3}, seed=7)["graph"]
    assert found.path.name == "made.txt"
    assert found.path.read_text() == 'hello {"depth": 3}7'
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert not found.path.stat().st_mode & 0o222
    assert kitchen.asked == [("onnxruntime", ">=1", ())]
    assert kitchen.stages == ["make made.txt"]


def test_what_was_made_is_not_made_again(kitchen: Kitchen) -> None:
    first = kitchen.make()
    assert kitchen.make() == first
    assert len(kitchen.asked) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"script": COPY + "\n"},
        {"arguments": {"a": 1}},
        {"seed": 1},
        {"outputs": {"graph": "other.txt"}},
        {"stack": {"framework": "onnxruntime", "version": ">=1", "packages": ["onnx"]}},
        {"sources": {"words": {"source": "file:words.txt"}, "more": {"source": "file:words.txt"}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_of_anything_that_goes_in_makes_another_file(kitchen: Kitchen, change: dict[str, Any]) -> None:
    first = kitchen.make()["graph"].path
    assert kitchen.make(**change)["graph"].path.parent != first.parent
    assert first.exists()
    assert len(kitchen.asked) == 2


def test_a_change_of_a_source_makes_another_file(kitchen: Kitchen) -> None:
    first = kitchen.make()["graph"]
    (kitchen.base / "words.txt").write_text("goodbye ")
    second = kitchen.make()["graph"]
    assert second.sha256 != first.sha256
    assert second.path.read_text().startswith("goodbye")


def test_provenance_names_script_sources_lock_and_outputs(kitchen: Kitchen) -> None:
    found = kitchen.make()["graph"]
    told = provenance(found.path)
    assert told is not None
    sha256 = hashlib.sha256(b"hello ").hexdigest()
    assert told["sources"] == {"words": {"file": "words.txt", "sha256": sha256}}
    assert told["wanted"]["script"] == hashlib.sha256((kitchen.base / "script.py").read_bytes()).hexdigest()
    assert told["outputs"]["graph"]["sha256"] == found.sha256
    assert told["lock_sha256"] == "0" * 64
    assert told["framework"] == {"name": "onnxruntime", "version": "1.2.3"}
    folder = found.path.parent.parent
    assert json.loads((folder / "lock.json").read_text()) == {"kind": "host"}
    assert (folder / "log.txt").read_text() == "done\n"
    assert provenance(kitchen.base / "words.txt") is None


@pytest.mark.parametrize(
    ("version", "reader", "asked"),
    [
        (">=1", ("onnxruntime", "1.20.1"), ">=1"),
        (None, ("onnxruntime", "1.20.1"), "==1.20.1"),
        (None, ("openvino", "2025.1"), "*"),
        (None, None, "*"),
    ],
)
def test_an_open_version_is_the_readers(
    kitchen: Kitchen, version: str | None, reader: tuple[str, str] | None, asked: str
) -> None:
    kitchen.make(reader=reader, stack={"framework": "onnxruntime", "version": version})
    assert kitchen.asked == [("onnxruntime", asked, ())]


def test_a_manifests_own_script_runs_only_where_that_is_allowed(kitchen: Kitchen) -> None:
    with pytest.raises(UsageError, match=r"script\.py.*--allow-hooks"):
        kitchen.make(allow_code=False)
    first = kitchen.make()
    assert kitchen.make(allow_code=False) == first


def test_a_script_must_have_its_sha256(kitchen: Kitchen) -> None:
    with pytest.raises(ChecksumError, match=r"script\.py"):
        kitchen.make(sha256="0" * 64)


def test_a_source_that_is_missing_is_told(kitchen: Kitchen) -> None:
    with pytest.raises(AssetError, match="no such file"):
        kitchen.make(sources={"words": {"source": "file:none.txt"}})


def test_a_damaged_file_is_made_again(kitchen: Kitchen) -> None:
    path = kitchen.make()["graph"].path
    path.chmod(0o644)
    path.write_text("damaged")
    again = kitchen.make()["graph"]
    assert again.path.read_text().startswith("hello")
    assert any("damaged" in text for text in kitchen.said)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("import sys; print('first'); sys.exit('no such operator: Foo')", "exit code 1: first | no such operator: Foo"),
        ("raise ValueError('the\\tshape')", "ValueError: the"),
        ("import sys; sys.exit(3)", "failed with exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was killed by SIGSEGV"),
        ("print('nothing')", "left no file made.txt"),
        ("import os; os.mkdir('made.txt')", "no regular file"),
        ("import os; os.symlink('/etc/passwd', 'made.txt')", "no regular file"),
        ("open('made.txt', 'w').close()", "left made.txt empty"),
    ],
)
def test_a_script_that_fails_is_one_line_and_leaves_nothing(
    kitchen: Kitchen, made: Callable[[], list[str]], script: str, message: str
) -> None:
    with pytest.raises(AssetError) as caught:
        kitchen.make(script)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert made() == []


def test_all_that_a_failing_script_printed_is_kept(kitchen: Kitchen) -> None:
    with pytest.raises(AssetError) as caught:
        kitchen.make("import sys\nfor number in range(100): print('line', number)\nsys.exit(1)")
    assert caught.value.hint is not None
    log = Path(caught.value.hint.rpartition(" ")[2])
    assert len(log.read_text().splitlines()) == 100
    assert "line 99" in str(caught.value)
    assert "line 90" not in str(caught.value)


def test_a_script_that_hangs_is_ended_with_its_children(kitchen: Kitchen, made: Callable[[], list[str]]) -> None:
    script = """
    import pathlib, subprocess, sys, time
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print("child", child.pid, flush=True)
    time.sleep(60)
    """
    began = time.monotonic()
    with pytest.raises(AssetError, match="time limit of 1 s") as caught:
        kitchen.make(script, timeout_s=1)
    assert time.monotonic() - began < 20
    child = int(str(caught.value).partition("child ")[2].split(";")[0])
    assert gone(child)
    assert made() == []


def gone(pid: int) -> bool:
    """Whether a process has ended, or does so within seconds."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_script_knows_only_its_own_folder(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "secret")
    script = """
    import json, os, sys
    before = os.listdir()
    where = {name: os.environ[name] for name in ("HOME", "TMPDIR")}
    with open("made.txt", "w") as file:
        json.dump([before, os.getcwd(), where, dict(os.environ), sys.stdin.read(), sys.path], file)
    """
    before, cwd, where, environment, stdin, path = json.loads(kitchen.make(script)["graph"].path.read_text())
    assert (before, stdin) == ([], "")
    assert set(where.values()) == {cwd}
    assert environment["FROM_STACK"] == "yes"
    assert "MY_TOKEN" not in environment
    assert str(kitchen.base) not in path


def _make(base: str, folder: str) -> None:
    """In a process of its own: a slow recipe, and a note that its stack was asked for."""

    class Noting(Kitchen):
        def find_stack(self, *args: Any, **kwargs: Any) -> Any:
            Path(folder, f"asked-{os.getpid()}").touch()
            return super().find_stack(*args, **kwargs)

    slow = "import time; time.sleep(2)\n" + COPY
    kitchen = Noting(Path(base))
    found = kitchen.make(slow)["graph"]
    Path(folder, f"found-{os.getpid()}").write_text(found.sha256)


def test_two_commands_make_one(kitchen: Kitchen, tmp_path: Path) -> None:
    kitchen.recipe("import time; time.sleep(2)\n" + COPY)
    folder = tmp_path / "notes"
    folder.mkdir()
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_make, args=(str(kitchen.base), str(folder))) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(list(folder.glob("asked-*"))) == 1
    assert len({path.read_text() for path in folder.glob("found-*")}) == 1


def test_ctrl_c_leaves_nothing(
    kitchen: Kitchen, made: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: Any, timeout: float | None = None) -> int:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kitchen.make("import time; time.sleep(60)")
    assert made() == []


def test_a_killed_command_takes_its_script_along_and_the_next_one_cleans_up(
    kitchen: Kitchen, home: Path, made: Callable[[], list[str]]
) -> None:
    script = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(60)"
    kitchen.recipe(script)
    program = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from tests.recipes.conftest import Kitchen
Kitchen(Path({str(kitchen.base)!r})).make({script!r})
"""
    command = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    pids: list[Path] = []
    for _ in range(600):
        pids = [path for path in (home / "cache/recipes").rglob("pid") if path.read_text()]
        if pids or command.poll() is not None:
            break
        time.sleep(0.05)
    pid = int(pids[0].read_text())
    command.send_signal(signal.SIGKILL)
    command.wait()
    assert gone(pid)
    kitchen.make()
    assert made() == KEPT


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written_is_told(kitchen: Kitchen, home: Path) -> None:
    from mlscope.errors import ResourceError

    recipe = kitchen.recipe()
    home.chmod(0o500)
    with pytest.raises(ResourceError, match="permission denied"):
        make(recipe, kitchen.base, allow_code=True, find_stack=kitchen.find_stack)
    home.chmod(0o700)


@pytest.mark.parametrize("name", ["job.json", "recipe.json", "lock.json", "log.txt", "samples.npy", "files"])
def test_an_output_may_have_any_name(kitchen: Kitchen, name: str) -> None:
    found = kitchen.make(outputs={"graph": name})["graph"].path
    assert found.name == name
    assert found.read_text().startswith("hello")
    assert provenance(found) is not None


def test_only_outputs_are_kept_of_what_a_script_leaves(kitchen: Kitchen) -> None:
    script = "import os, pathlib\nos.makedirs('a/b')\npathlib.Path('x').touch()\nos.symlink('/', 'link')\n" + COPY
    folder = kitchen.make(script)["graph"].path.parent
    assert [path.name for path in folder.iterdir()] == ["made.txt"]
