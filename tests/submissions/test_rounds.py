"""The table of rounds."""

from __future__ import annotations

import pytest

from mlscope.errors import UsageError
from mlscope.submissions import ROUNDS, Seeds, find_round, round_of_seeds


def test_a_round_is_found_by_its_name_with_and_without_v() -> None:
    assert find_round("v6.1") is find_round("6.1") is find_round("V6.1") is ROUNDS["v6.1"]


def test_an_unknown_round_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"v7.*known are v0.5, v5.0, v5.1, v6.0, v6.1"):
        find_round("v7")


def test_every_round_has_seeds_of_its_own_and_is_found_by_them() -> None:
    for each in ROUNDS.values():
        assert round_of_seeds(each.seeds) is each
    assert round_of_seeds(Seeds(0, 0, 0)) is None


def test_no_wheel_belongs_to_two_rounds() -> None:
    wheels = [wheel for each in ROUNDS.values() for wheel in each.loadgen_wheels]
    assert len(wheels) == len(set(wheels)) == 13


@pytest.mark.parametrize(("name", "count"), [("v0.5", 5), ("v5.0", 19), ("v5.1", 19), ("v6.0", 23), ("v6.1", 21)])
def test_a_round_knows_as_many_benchmarks_as_the_official_checker(name: str, count: int) -> None:
    assert len(ROUNDS[name].benchmark_names) == count


@pytest.mark.parametrize("name", ["v5.0", "v5.1", "v6.0", "v6.1"])
def test_image_classification_asks_for_the_official_figures(name: str) -> None:
    resnet = ROUNDS[name].benchmarks["resnet"]
    assert resnet.accuracy_target == pytest.approx(75.6954)
    assert (resnet.dataset_size, resnet.performance_sample_count) == (50_000, 1024)
    assert resnet.required_scenarios["edge"] == ("SingleStream", "MultiStream", "Offline")
    assert ("datacenter" in resnet.required_scenarios) == (name == "v5.0")


@pytest.mark.parametrize(
    ("directory", "benchmark"),
    [
        ("resnet", "resnet"),
        ("resnet50", "resnet"),
        ("mobilenet", "resnet"),
        ("mobilenet_v2_1.4_224", "resnet"),
        ("efficientnet-lite4", "resnet"),
        ("my-resnet50-int8", "resnet"),
        ("ssd-resnet34", None),
        ("bert-99", "bert-99"),
        ("my-net", None),
    ],
)
def test_the_benchmark_of_a_directory_is_told_as_the_official_checker_tells_it(
    directory: str, benchmark: str | None
) -> None:
    assert ROUNDS["v6.1"].benchmark_of(directory) == benchmark


def test_an_open_submitter_may_name_the_benchmark() -> None:
    assert ROUNDS["v6.1"].benchmark_of("my-net", {"my-net": "resnet"}) == "resnet"
    assert ROUNDS["v6.1"].benchmark_of("my-net", {"my-net": ["resnet"]}) is None
    assert ROUNDS["v6.1"].benchmark_of("my-net", {"my-net": "no such one"}) is None


def test_v05_has_mobilenet_as_a_benchmark_of_its_own() -> None:
    assert ROUNDS["v0.5"].benchmark_of("mobilenet") == "mobilenet"
    assert ROUNDS["v0.5"].benchmarks["mobilenet"].accuracy_target == pytest.approx(70.2464)
