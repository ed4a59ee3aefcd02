"""What `mlscope submission run` measures, and how it goes on where it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlscope.conductor import Goal, SilentObserver, Step, SubmissionRun
from mlscope.conductor._submission_plan import Target, estimate_s, more_demanding, step_request, target_of
from mlscope.errors import StackError, UsageError
from mlscope.plan import LoadRequest, Request
from mlscope.submissions import find_round
from tests.results.making import make_record
from tests.submissions.own_runs import make_run


def goal(**changes: Any) -> Goal:
    round_ = find_round("v6.1")
    fields: dict[str, Any] = {
        "round": round_,
        "division": "closed",
        "benchmark": round_.benchmarks["resnet"],
        "scenarios": ("SingleStream", "MultiStream", "Offline"),
        "steps": ("accuracy", "performance", "TEST01", "TEST04"),
    }
    return Goal(**{**fields, **changes})


def conf_of(request: Request) -> dict[str, str]:
    assert request.load is not None
    assert request.load.user_conf is not None
    lines = [line for line in request.load.user_conf.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split(" = ") for line in lines)


def test_closed_offline_gets_what_the_rules_ask_for(tmp_path: Path) -> None:
    asked = Request(command="benchmark", batch_size=8, streams=2)
    target = Target("Offline", 110.0, 0.01)
    request = step_request(asked, goal(), Step("Offline", "performance"), tmp_path, target)
    assert conf_of(request) == {
        "*.Offline.target_qps": "110",
        "*.Offline.min_duration": "600000",
        "*.Offline.performance_sample_count_override": "1024",
        "*.Offline.min_query_count": "24576",
    }
    assert (request.batch_size, request.streams, request.rehearsal) == (8, 2, False)
    assert request.tags == ("v6.1", "closed", "performance")


def test_single_stream_is_one_sample_in_one_stream(tmp_path: Path) -> None:
    asked = Request(command="benchmark", batch_size=8, streams=2, max_delay_s=0.1)
    request = step_request(asked, goal(), Step("SingleStream", "TEST01"), tmp_path, Target("SingleStream", 9.0, 0.01))
    assert (request.batch_size, request.streams, request.max_delay_s) == (1, None, 0.0)
    assert request.load is not None
    assert request.load.audit_conf is not None
    assert "accuracy_log_sampling_target = 4096" in request.load.audit_conf.read_text()
    assert request.load.min_duration_s == 600


def test_rehearsals_are_short_and_marked(tmp_path: Path) -> None:
    short = goal(rehearsal=True)
    target = Target("SingleStream", 9.0, 0.01)
    request = step_request(Request(command="benchmark"), short, Step("SingleStream", "performance"), tmp_path, target)
    assert conf_of(request)["*.SingleStream.min_duration"] == "2000"
    assert request.rehearsal
    assert "rehearsal" in request.tags
    assert request.load is not None
    assert request.load.dataset_size == 500
    assert short.experiment != goal().experiment


def test_of_two_targets_the_one_with_more_queries_is_taken() -> None:
    slow, quick = Target("SingleStream", 9.0, 0.01), Target("SingleStream", 4.0, 0.005)
    assert more_demanding(slow, quick) == more_demanding(quick, slow) == quick
    few, many = Target("Offline", 90.0, 0.01), Target("Offline", 200.0, 0.005)
    assert more_demanding(few, many) == more_demanding(many, few) == many


def test_targets_come_from_probes(home: Path) -> None:
    offline = target_of(make_run(home, "performance", "Offline"))
    assert offline.line == "*.Offline.target_qps = 110"
    with pytest.raises(UsageError, match="came to no result"):
        target_of(make_record(command="benchmark", scenario="SingleStream"))


@pytest.mark.parametrize(
    ("step", "target", "seconds"),
    [
        (Step("SingleStream", "accuracy"), Target("SingleStream", 9.0, 0.01), 500.0),
        (Step("SingleStream", "performance"), Target("SingleStream", 9.0, 0.01), 600.0),
        (Step("MultiStream", "accuracy"), Target("MultiStream", 70.0, 0.08), 500.0),
        (Step("Offline", "accuracy"), Target("Offline", 110.0, 0.01), 500.0),
        (Step("Offline", "TEST04"), Target("Offline", 110.0, 0.01), 726.0),
        (Step("Offline", "performance"), Target("Offline", 1.1, 1.0), 24_576.0),
    ],
)
def test_time_is_estimated(step: Step, target: Target, seconds: float) -> None:
    assert estimate_s(step, target, goal(), 50_000) == pytest.approx(seconds)


def test_a_loadgen_of_another_round_is_refused_at_once(home: Path) -> None:
    old = goal(round=find_round("v5.0"), division="open", scenarios=("SingleStream",))
    request = Request(command="benchmark", model_name="sleep", stack="host", load=LoadRequest())
    other, none = r"does not write the logs of v5\.0; 5\.0\.20 do", r"no wheel of LoadGen writes the logs of v0\.5"
    with SubmissionRun(request, old, SilentObserver()) as driver, pytest.raises(StackError, match=other):
        driver.estimates()
    oldest = goal(round=find_round("v0.5"))
    with SubmissionRun(request, oldest, SilentObserver()) as driver, pytest.raises(UsageError, match=none):
        driver.estimates()
