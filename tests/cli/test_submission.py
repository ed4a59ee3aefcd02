"""``mlscope submission``: a rehearsal from end to end, and what is told of wrong words."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.submissions.trees import shown


def test_a_rehearsal_from_end_to_end(run: Run, tmp_path: Path) -> None:
    """Each step is a run; the second time all of them are there; the tree is a rehearsal's.

    The tests compare latencies, to a tenth: of a long call that holds beside other work too.
    """
    command = ("submission", "run", "--division", "closed", "--scenario", "SingleStream", "--rehearsal")
    model = ("--model-name", "sleep", "--option", "law=constant:100ms", "--dataset-size", "20", "--experiment", "try")
    done = run(*command, *model, "--format", "json")
    assert done.code == 0, done.err
    steps = done.json()["steps"]
    assert [each["step"] for each in steps] == ["accuracy", "performance", "TEST01", "TEST04"]
    assert {each["state"] for each in steps} == {"measured"}
    again = run(*command, *model, "--format", "json")
    assert again.code == 0, again.err
    assert {each["state"] for each in again.json()["steps"]} == {"there"}
    assert [each["run"] for each in again.json()["steps"]] == [each["run"] for each in steps]

    system = tmp_path / "system.json"
    answers = {
        **{"submitter": "Acme", "status": "available", "system_type": "edge", "system_name": "lab", "cooling": "air"},
        **{"host_memory_configuration": "x", "host_storage_type": "x", "host_storage_capacity": "x"},
        **{"host_networking": "x", "host_networking_topology": "x", "host_network_card_count": "1"},
    }
    sets = [word for key, value in answers.items() for word in ("--set", f"{key}={value}")]
    assert run("submission", "system", "init", system, *sets).code == 0
    words = ("submission", "export", tmp_path / "tree", "--division", "closed", "--system-file", system)
    refused = run(*words, "--experiment", "try")
    assert refused.code == 9
    assert "is a rehearsal" in refused.err
    written = run(*words, "--experiment", "try", "--rehearsal", "--infer", "--format", "json")
    assert written.code == 0, written.err
    assert [each["scenario"] for each in written.json()["results"]] == ["SingleStream", "MultiStream", "Offline"]
    tree = shown(tmp_path / "tree")
    assert tree.count("TEST PASS") == 9
    assert "mlscope benchmark --model-name sleep" in tree
    assert str(tmp_path) not in tree
    kinds = run("runs", "show", str(steps[0]["run"]), "--format", "json").json()
    assert json.dumps(kinds).count('"rehearsal"') >= 1


def test_wrong_words_are_told(run: Run) -> None:
    for words, message in (
        (("--round", "v9"), "is no round that is known here"),
        (("--steps", "TEST99"), "none of accuracy, performance"),
        (("--scenario", "Server"), "none of SingleStream"),
        (("--division", "closed", "--dataset-size", "5"), "wants the whole data set"),
        (("--division", "closed", "--benchmark", "bert-99"), "no closed benchmark bert-99"),
    ):
        done = run("submission", "run", *words)
        assert done.code == 2, done.err
        assert message in done.err
        assert "Traceback" not in done.err


def test_the_command_keeps_what_was_answered(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "system.json"
    first = run("submission", "system", "init", file, "--set", "cooling=air", "--set", "status=RDI")
    assert first.code == 0
    assert "submitter" in first.err
    second = run("submission", "system", "init", file, "--set", "submitter=Acme")
    assert second.code == 0
    assert "cooling" not in second.err
    found = json.loads(file.read_text())
    assert (found["cooling"], found["status"], found["submitter"]) == ("air", "rdi", "Acme")
    assert found["host_networking"] is None
    wrong = run("submission", "system", "init", file, "--set", "cooling")
    assert wrong.code == 2
