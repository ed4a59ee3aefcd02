"""Thousands of mutated logs, tables and archives: never a traceback, never a write outside the own folder."""

from __future__ import annotations

import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from mlscope.errors import MlscopeError
from mlscope.submissions import find_root, import_experiments, import_results, parse_accuracy, read_rows, results_of
from mlscope.submissions._ck import find_points
from mlscope.submissions._ck_record import ck_record
from mlscope.submissions._detail import parse_detail
from mlscope.submissions._official import official_record
from mlscope.submissions._summary import parse_summary
from tests.submissions.making import PLAIN_ACCURACY_SUMMARY, add_result, detail_text, plain_detail, summary_text, write

SPICE = (
    *(b"NaN", b"Infinity", b"-1e999", b"1" * 5000, b"\xff\xfe", b"\x00", b'"', b"{", b"}", b"[" * 2000, b"\\ud800"),
    *(b"\r\n", b"../../", b"/etc/", b"C:\\", b": : :", b" " * 3000, b"null", b"true", b"9" * 400, b".", b"%"),
)


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, cut out, doubled, or replaced by what parsers stumble over."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        if not out:
            break
        place, end = sorted(chance.randrange(len(out) + 1) for _ in range(2))
        end = min(end, place + chance.choice((1, 4, 40, 4000)))
        match chance.randrange(5):
            case 0:
                out[place:end] = bytes(chance.randrange(256) for _ in range(end - place))
            case 1:
                del out[place:end]
            case 2:
                out[place:place] = out[place:end]
            case 3:
                out[place:end] = chance.choice(SPICE)
            case _:
                del out[place:]
    return bytes(out)


def test_mutated_logs_are_always_read() -> None:
    texts: list[tuple[str, Callable[[bytes], object]]] = [
        (detail_text(), lambda data: parse_detail(data.splitlines(keepends=True))),
        (plain_detail("Multi Stream"), lambda data: parse_detail(data.splitlines(keepends=True))),
        (summary_text(), lambda data: parse_summary(data.decode("utf-8", errors="replace"))),
        (PLAIN_ACCURACY_SUMMARY, lambda data: parse_summary(data.decode("utf-8", errors="replace"))),
        (
            "accuracy=76.442%, good=38221, total=50000\nhash=" + "0" * 64 + "\n{'rouge1': 44.4}",
            lambda data: parse_accuracy(data.decode("utf-8", errors="replace")),
        ),
    ]
    chance = random.Random(1)
    for text, parse in texts:
        for _ in range(800):
            parse(mutated(text.encode(), chance))


def test_mutated_trees_always_give_records(tmp_path: Path) -> None:
    add_result(tmp_path)
    (result,) = results_of(find_root(tmp_path), lambda path, what: None)
    files = {path: path.read_bytes() for path in result.files(1)}
    chance = random.Random(2)
    for _ in range(600):
        path = chance.choice(list(files))
        path.write_bytes(mutated(files[path], chance))
        record, _ = official_record(result, 1, "0" * 32, "v5.1")
        json.dumps(json.loads(record.model_dump_json()), allow_nan=False).encode()
        path.write_bytes(files[path])


def test_mutated_points_of_ck_always_give_records(tmp_path: Path) -> None:
    run = {"mlperf_log": {"summary": summary_text().splitlines(keepends=True), "accuracy": [], "detail": ["x\n"]}}
    point = {
        "choices": {"env": {"CK_BATCH_SIZE": "2"}},
        "features": {"platform": {"cpu": {"num_proc": "4"}, "os": {"abi": "aarch64"}}},
        "characteristics_list": [{"run": {**run, "accuracy": 75.2, "good": 376, "total": 500}}],
    }
    entry = tmp_path / "experiment" / "e"
    files = {
        write(entry / "ckp-0123456789abcdef.0001.json", ""): json.dumps(point).encode(),
        write(entry / "pipeline.json", ""): json.dumps({"dependencies": {"weights": {"ver": "1"}}}).encode(),
        write(entry / ".cm" / "meta.json", ""): json.dumps(
            {
                "tags": [
                    "mlperf",
                    "closed",
                    "image-classification",
                    "x",
                    "tflite-v1.15",
                    "resnet",
                    "singlestream",
                    "performance",
                ]
            }
        ).encode(),
    }
    logs = tmp_path / "logs"
    logs.mkdir()
    chance, read = random.Random(3), 0
    for _ in range(600):
        for path, data in files.items():
            path.write_bytes(mutated(data, chance) if chance.random() < 0.5 else data)
        for found in find_points(tmp_path, lambda path, what: None):
            record = ck_record(found, "0" * 32, logs)
            json.dumps(json.loads(record.model_dump_json()), allow_nan=False).encode()
            read += 1
    assert read > 100


def test_mutated_tables_are_read_or_refused(tmp_path: Path) -> None:
    text = b"System,Benchmark,Scenario,P_IC1_SS,Notes\nbox,mobilenet,SingleStream,1.5,a\nbox,resnet,Offline,2,b\n"
    rows = b'[{"System": "box", "Benchmark": "resnet", "Scenario": "Server", "Result": 1.5, "Unit": "ns"}]'
    chance = random.Random(4)
    path = tmp_path / "table"
    for data in (text, rows):
        for _ in range(400):
            path.write_bytes(mutated(data, chance))
            try:
                read_rows(path, lambda text: None)
            except MlscopeError as error:
                assert str(error)  # noqa: PT017 - that it was refused is as good


def archives(folder: Path) -> list[bytes]:
    """A zip and a tar of a small tree of results with strange members among them."""
    add_result(folder)
    members = [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in folder.rglob("*") if path.is_file()]
    members += [("experiment/e/ckp-0123456789abcdef.0001.json", b'{"characteristics_list": [{"run": {}}]}')]
    packed, taped = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        for name, data in members:
            package.writestr(name, data)
    with tarfile.open(fileobj=taped, mode="w:gz") as tape:
        for name, data in members:
            item = tarfile.TarInfo(name)
            item.size = len(data)
            tape.addfile(item, io.BytesIO(data))
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as package:
        package.writestr("closed/acme/results/box/resnet50/SingleStream/accuracy/accuracy.txt", "x")
    return [packed.getvalue(), taped.getvalue(), stored.getvalue()]


def renamed(data: bytes, chance: random.Random) -> bytes:
    """An archive in which names (stored as they are) lead somewhere else."""
    swaps = ((b"closed/acme", b"../../../ev"), (b"closed/acme", b"/tmp/evil/x"), (b"accuracy.txt", b"../../../evl"))
    old, new = chance.choice(swaps)
    return data.replace(old, new)


def test_mutated_archives_are_read_or_refused(home: Path, tmp_path: Path) -> None:
    chance = random.Random(5)
    originals = archives(tmp_path / "tree")
    place = tmp_path / "place" / "deep"
    place.mkdir(parents=True)
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(home)}
    refused = 0
    for number in range(300):
        data = chance.choice(originals)
        data = mutated(data, chance) if number % 3 else renamed(data, chance)
        path = place / "archive.zip"
        path.write_bytes(data)
        reader = (
            import_experiments
            if number % 5 == 0
            else lambda path, warn: import_results(path, round_name=None, warn=warn)
        )
        try:
            reader(path, warn=lambda text: None)
        except MlscopeError as error:
            assert "\n" not in str(error)  # noqa: PT017 - that it was refused is as good
            refused += 1
    path.unlink()
    assert refused > 100
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(home)} == before
    assert not list((home / "cache").iterdir())
    assert not (Path("/tmp") / "evil").exists()
