"""Official results out of a repository at a pinned commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mlscope.errors import AssetError, OfflineError, UsageError
from mlscope.results import open_store
from mlscope.submissions import fetch_results
from mlscope.submissions._fetch import COMMITS
from tests.submissions.making import add_result


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words],
        cwd=folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> tuple[Path, list[str]]:
    """A repository of results and its commits; the second has one result more."""
    folder = tmp_path / "results"
    add_result(folder)
    git(folder, "init", "-q")
    commits = []
    for scenario in ("SingleStream", "Offline"):
        add_result(folder, scenario=scenario)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", scenario)
        commits.append(git(folder, "rev-parse", "HEAD"))
    return folder, commits


def test_a_commit_is_fetched_and_imported(home: Path, repository: tuple[Path, list[str]]) -> None:
    folder, commits = repository
    for commit, added, known in ((commits[0], 1, 0), (commits[1], 1, 1), (commits[1], 0, 2)):
        done = fetch_results("v5.1", commit=commit, repository=str(folder), warn=pytest.fail)
        assert (len(done.added), done.known) == (added, known)
    assert {record.experiment for record in open_store().find()} == {"mlperf-v5.1"}
    assert not list((home / "cache").glob("round-*"))


def test_a_repository_without_the_pinned_commit_is_refused(home: Path, repository: tuple[Path, list[str]]) -> None:
    with pytest.raises(UsageError, match=f"no revision '{COMMITS['v5.1']}'"):
        fetch_results("v5.1", repository=str(repository[0]), warn=pytest.fail)


def test_a_closed_network_is_one_clear_message(home: Path, tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="give the folder to mlscope submission import"):
        fetch_results("v5.1", repository="https://127.0.0.1:1/results.git", warn=pytest.fail)
    with pytest.raises(AssetError, match="git cannot fetch it"):
        fetch_results("v0.5", repository=str(tmp_path / "missing"), warn=pytest.fail)
    with pytest.raises(OfflineError, match="without a network"):
        fetch_results("v0.5", offline=True, warn=pytest.fail)


@pytest.mark.parametrize(
    ("round_name", "commit", "message"),
    [
        ("5.1", None, "did you mean v5.1"),
        ("v5.9", None, "no commit of v5.9 is pinned"),
        ("v5.1", "main", "is no commit"),
    ],
)
def test_rounds_and_commits_are_checked_first(round_name: str, commit: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        fetch_results(round_name, commit=commit, warn=pytest.fail)
