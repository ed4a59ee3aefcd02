"""Configuration files: where they are found, what they mean, what goes before what."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlscope.plan import Request
from tests.cli.conftest import Run

ORIGINAL = """
app:
  name: carml.step
  debug: true
database:
  provider: mongodb
  endpoints:
    - postgresql://me@db.example.org/mlscope
    - other
tracer:
  enabled: true
  endpoints: [localhost:9411]
  level: MODEL_TRACE
"""


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home folder."""
    folder = tmp_path / "user"
    (folder / ".config" / "mlscope").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    return folder


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_inner_tables_go_over_outer_ones_and_flags_over_all(run: Run, requests: list[Request], tmp_path: Path) -> None:
    file = write(
        tmp_path / "my.toml",
        """
        experiment = "all"
        seed = 1
        [predict]
        batch_size = 2
        threads = 2
        gpu = true
        [predict.dataset]
        batch-size = 3
        tags = ["a", "b"]
        env = {A = 1, B = "x"}
        option = {fast = true}
        [predict.urls]
        num-url-parts = 9
        [benchmark]
        target-qps = 7.5
        """,
    )
    done = run("predict", "dataset", "--config", file, "--threads", "4", "--gpu=false")
    assert done.code == 0, done.err
    assert requests == [
        Request(
            command="predict dataset",
            experiment="all",
            seed=1,
            batch_size=3,
            threads=4,
            tags=("a", "b"),
            env={"A": "1", "B": "x"},
            options={"fast": True},
        )
    ]


def test_a_table_of_another_command_is_not_used(run: Run, requests: list[Request], tmp_path: Path) -> None:
    file = write(tmp_path / "my.toml", "[benchmark]\nbatch-size = 5\n[predict.urls]\nnum-url-parts = 9\n")
    assert run("predict", "dataset", "--config", file).code == 0
    assert requests == [Request(command="predict dataset")]


def test_the_users_own_file_is_found_before_the_originals(run: Run, requests: list[Request], user: Path) -> None:
    write(user / ".carml_config.yaml", ORIGINAL)
    write(user / ".config" / "mlscope" / "config.toml", "[predict.dataset]\nbatch-size = 3\n")
    assert run("predict", "dataset").code == 0
    assert requests == [Request(command="predict dataset", batch_size=3)]


def test_xdg_config_home_is_looked_into(
    run: Run, requests: list[Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "xdg" / "mlscope").mkdir(parents=True)
    write(tmp_path / "xdg" / "mlscope" / "config.toml", "[predict.dataset]\nbatch-size = 4\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert run("predict", "dataset").code == 0
    assert requests[0].batch_size == 4


@pytest.mark.parametrize("name", [".carml_config.yaml", ".carml_config.yml"])
def test_the_originals_file_is_found(run: Run, requests: list[Request], user: Path, name: str) -> None:
    write(user / name, ORIGINAL)
    assert run("predict", "dataset").code == 0
    assert requests == [
        Request(
            command="predict dataset",
            database_address="postgresql://me@db.example.org/mlscope",
            database_name="carml.step",
            tracer_address="localhost:9411",
            trace_level="MODEL_TRACE",
        )
    ]


def test_flags_go_over_the_originals_file(run: Run, requests: list[Request], tmp_path: Path) -> None:
    file = write(tmp_path / "c.yml", ORIGINAL)
    argv = ("--config", file, "predict", "dataset", "--database_address=sqlite:///a.db", "--trace_level=NO_TRACE")
    assert run(*argv).code == 0
    assert requests[0].database_address == "sqlite:///a.db"
    assert requests[0].database_name == "carml.step"
    assert requests[0].trace_level == "NO_TRACE"


def test_what_the_original_means_otherwise_is_noted_when_asked(
    run: Run, requests: list[Request], tmp_path: Path
) -> None:
    file = write(tmp_path / "c.yml", ORIGINAL)
    assert "database.provider" not in run("predict", "dataset", "--config", file).err
    notes = run("predict", "dataset", "--config", file, "--verbose").err
    for key in ("app.debug", "database.provider", "tracer.enabled"):
        assert f"{key} means nothing to mlscope" in notes


def test_a_bare_host_in_a_found_file_is_ignored_with_a_warning(run: Run, user: Path) -> None:
    file = write(user / ".carml_config.yaml", "database:\n  endpoints: [localhost]\n")
    done = run("runs", "list")
    assert done.code == 0
    assert 'database.endpoints "localhost" does not say which kind' in done.err
    asked_for = run("runs", "list", "--config", file)
    assert asked_for.code == 2
    assert "postgresql://" in asked_for.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[predict.datset]\n", "did you mean dataset?"),
        ("[predict.dataset]\nbatchsize = 2\n", "did you mean batch-size?"),
        ("urls-file-path = 1\n[predict.dataset]\nurls-file-path = 'x'\n", '"urls-file-path" is no flag'),
        ("config = 'x'\n", '"config" is no flag of mlscope'),
        ("[version.more]\n", "no command [version.more]"),
        ("[predict\n", "no TOML"),
        ("[predict.dataset]\nbatch-size = 'x'\n", "batch-size"),
        ("[predict.dataset]\nbatch-size = [1, 2]\n", "batch-size"),
    ],
)
def test_faults_of_own_files(run: Run, requests: list[Request], tmp_path: Path, text: str, said: str) -> None:
    done = run("predict", "dataset", "--config", write(tmp_path / "my.toml", text))
    assert done.code == 2
    assert said in done.err
    assert "my.toml" in done.err
    assert not requests


@pytest.mark.parametrize(("name", "said"), [("none.toml", "cannot be read"), ("bad.yml", "no YAML")])
def test_files_that_cannot_be_read(run: Run, tmp_path: Path, name: str, said: str) -> None:
    write(tmp_path / "bad.yml", "a: [1\n")
    done = run("runs", "list", "--config", tmp_path / name)
    assert done.code == 2
    assert said in done.err
    assert name in done.err
