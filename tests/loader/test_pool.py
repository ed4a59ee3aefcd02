"""Several processes load what they are told, once, the same bytes however many they are."""

from __future__ import annotations

import os
import signal
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from mlscope.errors import StackError, WorkerError
from mlscope.loader import LoaderPool, LoaderSetup
from mlscope.manifests import InputSpec
from tests.loader.pictures import encoded, jpeg, png, scene, turned
from tests.loader.pool import SHAPE, STEPS, Pool
from tests.loader.test_steps import tensor


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = []
    for number in range(30):
        picture = scene(12 + number, 40 - number, seed=number)
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(jpeg(picture) if number % 2 else png(picture))
        paths.append(path)
    return paths


def test_every_row_comes_back_once_and_the_bytes_do_not_depend_on_the_processes(
    tmp_path: Path, pictures: list[Path]
) -> None:
    expected = [tensor(path.read_bytes(), SHAPE, *STEPS[1:]) for path in pictures]
    for processes in (1, 2, 5):
        with Pool(tmp_path, rows=len(pictures), processes=processes) as pool:
            begin = time.perf_counter_ns()
            found = pool.load(pictures)
            end = time.perf_counter_ns()
            np.testing.assert_array_equal(pool.memory, expected)
        assert sorted(found) == list(range(len(pictures)))
        for row, loaded in found.items():
            assert (loaded.slot, loaded.error, loaded.oddity) == (row, None, None)
            assert begin <= loaded.begin_ns <= loaded.end_ns <= end, "one clock for all processes"


def test_a_slot_holds_several_rows_in_their_places(tmp_path: Path, pictures: list[Path]) -> None:
    """A batch of 30 in one slot: more than one task."""
    with Pool(tmp_path, rows=60, batch=30) as pool:
        pool.pool.load(1, [(29 - row, row, str(path)) for row, path in enumerate(pictures)])
        assert set(pool.collect(30)) == set(range(30))
        memory = pool.memory.copy()
    expected = [tensor(path.read_bytes(), SHAPE, *STEPS[1:]) for path in pictures]
    np.testing.assert_array_equal(memory[:29:-1], expected)
    assert (memory[:30] == 0xEE).all(), "the other slot is as it was"


def test_what_cannot_be_loaded_is_told_and_its_place_is_zero(tmp_path: Path) -> None:
    whole = jpeg(scene(30, 30))
    files: dict[str, bytes] = {
        "good.jpg": whole,
        "empty.jpg": b"",
        "text.jpg": b"this is no picture\n" * 40,
        "truncated.jpg": whole[: len(whole) // 2],
        "truncated.png": png(scene(30, 30))[:200],
        "header.jpg": b"\xff\xd8\xff",
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to(tmp_path / "link.jpg")
    names = [*files, "folder.jpg", "link.jpg", "none.jpg"]
    with Pool(tmp_path, rows=len(names)) as pool:
        found = {names[row]: loaded for row, loaded in pool.load([tmp_path / name for name in names]).items()}
        memory = pool.memory.copy()
    errors = {name: loaded.error for name, loaded in found.items()}
    assert errors["good.jpg"] is None
    assert errors["empty.jpg"] == "the file is empty"
    assert errors["text.jpg"] == "it is no picture that OpenCV can decode"
    assert errors["truncated.jpg"] == errors["truncated.png"] == "the picture file is truncated"
    assert errors["header.jpg"]
    assert "Is a directory" in str(errors["folder.jpg"])
    assert "symbolic links" in str(errors["link.jpg"])
    assert "No such file" in str(errors["none.jpg"])
    assert memory[0].any()
    assert not memory[1:].any(), "what was in the slots before is gone"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(png(scene(20, 20)))
    path.chmod(0)
    with Pool(tmp_path, rows=1) as pool:
        assert "Permission denied" in str(pool.load([path])[0].error)


def test_odd_pictures_are_named_and_loaded(tmp_path: Path) -> None:
    picture = scene(30, 40)
    files = {
        "grey": (jpeg(picture, "L"), "grey"),
        "cmyk": (jpeg(picture, "CMYK"), "CMYK"),
        "deep": (png(picture.astype(np.uint16) * 257), "16-bit"),
        "clear": (encoded(picture, "PNG", "RGBA"), "RGBA"),
        "palette": (encoded(picture, "PNG", "P"), None),
        "turned": (turned(picture), None),
        "plain": (png(picture), None),
    }
    for name, (data, _) in files.items():
        (tmp_path / name).write_bytes(data)
    with Pool(tmp_path, rows=len(files)) as pool:
        found = pool.load([tmp_path / name for name in files])
    assert [found[row].error for row in range(len(files))] == [None] * len(files)
    assert [found[row].oddity for row in range(len(files))] == [name for _, name in files.values()]


def test_grey_is_not_odd_where_grey_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "grey").write_bytes(jpeg(scene(8, 8), "L"))
    steps = [{"op": "decode"}]
    with Pool(tmp_path, rows=1, steps=steps, layout="HW", color_mode="GRAY", shape=[8, 8]) as pool:
        loaded = pool.load([tmp_path / "grey"])[0]
    assert (loaded.error, loaded.oddity) == (None, None)


def test_a_claim_of_gigabytes_is_unreadable(tmp_path: Path) -> None:
    """A small PNG that says it has 900 million pixels."""
    data = bytearray(png(scene(8, 8)))
    data[16:24] = (30000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path = tmp_path / "bomb.png"
    path.write_bytes(data)
    with Pool(tmp_path, rows=1) as pool:
        error = pool.load([path])[0].error
    assert error is not None
    assert error.startswith("OpenCV cannot decode it: ")
    assert "PIXELS" in error
    assert "\n" not in error


def test_a_killed_process_is_an_error_and_the_others_end(tmp_path: Path, pictures: list[Path]) -> None:
    with Pool(tmp_path, rows=len(pictures)) as pool:
        victim = pool.pool.channels[1].process
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
        with pytest.raises(WorkerError, match="a loader process died"):
            pool.load(pictures)
        processes = [channel.process for channel in pool.pool.channels]
    assert all(process.poll() is not None for process in processes)


def test_a_process_that_is_killed_in_its_work_is_noticed(tmp_path: Path, pictures: list[Path]) -> None:
    slow = {"before_preprocess": "import time\ndef before_preprocess(ctx, data):\n    time.sleep(600)\n"}
    with Pool(tmp_path, rows=len(pictures), processes=1, hooks=slow) as pool:
        pool.pool.load(0, [(0, 0, str(pictures[0]))])
        time.sleep(0.1)
        pool.pool.channels[0].process.kill()
        with pytest.raises(WorkerError, match="a loader process died"):
            pool.collect(1)


def test_a_pool_leaves_nothing_behind(tmp_path: Path, pictures: list[Path]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    pool = Pool(tmp_path, rows=len(pictures), processes=3)
    processes = [channel.process for channel in pool.pool.channels]
    pool.load(pictures)
    pool.pool.close()
    assert [process.poll() for process in processes] == [0, 0, 0]
    del pool
    assert len(os.listdir("/proc/self/fd")) <= before + 1  # numpy keeps the mapping of the ring


def test_processes_leave_when_the_core_is_gone_and_ignore_ctrl_c(tmp_path: Path) -> None:
    with Pool(tmp_path, rows=1, processes=1) as pool:
        (channel,) = pool.pool.channels
        os.kill(channel.process.pid, signal.SIGINT)
        (tmp_path / "a").write_bytes(png(scene(10, 10)))
        assert pool.load([tmp_path / "a"])[0].error is None
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, channel._commands)  # what the core's death looks like to it
        os.close(null)
        assert channel.process.wait(20) == 0


def test_memory_does_not_grow_with_the_pictures(tmp_path: Path) -> None:
    path = tmp_path / "big.png"
    path.write_bytes(png(scene(300, 400)))
    with Pool(tmp_path, rows=1, processes=1) as pool:
        status = Path(f"/proc/{pool.pool.channels[0].process.pid}/status")

        def peak() -> int:
            pool.pool.load(0, [(0, row, str(path)) for row in range(30)])
            pool.collect(30)
            return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))

        first = peak()
        for _ in range(3):
            last = peak()
    assert last < first + 4096  # kB


def test_a_library_that_cannot_be_imported_is_told(tmp_path: Path) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')\n")
    spec = InputSpec.model_validate(
        {"type": "image", "element_type": "uint8", "layout": "HWC", "shape": list(SHAPE), "steps": STEPS}
    )
    (tmp_path / "ring").write_bytes(bytes(192))
    setup = LoaderSetup(
        spec.model_dump(mode="json"),
        {},
        {},
        tmp_path / "ring",
        192,
        1,
        environment={"PYTHONPATH": str(tmp_path)},
    )
    with pytest.raises(StackError, match=r"pictures cannot be decoded: libGL\.so\.1: cannot open shared object file"):
        LoaderPool(setup, 2, tmp_path / "loader.log")
