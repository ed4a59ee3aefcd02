"""System files: found on the machine, answered by a person, kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlscope.errors import DataError, UsageError
from mlscope.results import System
from mlscope.stacks import describe_machine
from mlscope.submissions import answer, find_round, machine_fields, read_system, unanswered, write_system
from tests.submissions.own_runs import SYSTEM


def test_the_machine_answers_what_it_knows() -> None:
    found = machine_fields(System(**describe_machine()))
    assert found["host_processor_model_name"]
    assert int(found["host_processor_core_count"]) >= 1
    assert found["host_memory_capacity"].endswith(" GiB")
    assert found["accelerators_per_node"].isdecimal()
    assert set(found) <= set(SYSTEM)


def test_a_whole_file_has_every_field_of_the_rounds() -> None:
    named = {*SYSTEM, "division", "framework"}
    for name in ("v0.5", "v5.0", "v5.1", "v6.0", "v6.1"):
        assert set(find_round(name).system_fields) <= named


def test_what_is_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "system.json"
    write_system(file, {**SYSTEM, "cooling": None, "is_network": "false"})
    found = read_system(file)
    assert found == {**SYSTEM, "cooling": None, "is_network": "false"}
    assert unanswered(found) == ["cooling"]


def test_the_json_of_a_submission_is_a_system_file_too(tmp_path: Path) -> None:
    file = tmp_path / "system.json"
    file.write_text(json.dumps({**SYSTEM, "division": "open", "framework": "x", "accelerators_per_node": 0}))
    found = read_system(file)
    assert found["accelerators_per_node"] == "0"
    assert "division" not in found
    assert unanswered(found) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"cooling": {}}', "[" * 100_000, "NaN"])
def test_what_is_no_system_file_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "system.json"
    file.write_text(text)
    with pytest.raises(DataError, match=r"system\.json"):
        read_system(file)


def test_answers_are_checked() -> None:
    assert answer("status", " Available ") == "available"
    assert answer("hw_notes", "") == ""
    with pytest.raises(UsageError, match="one of edge, datacenter"):
        answer("system_type", "phone")
    with pytest.raises(UsageError, match="may not be empty"):
        answer("cooling", " ")
    with pytest.raises(UsageError, match="is no field"):
        answer("colour", "red")
    with pytest.raises(UsageError, match="come with the export"):
        answer("division", "open")
