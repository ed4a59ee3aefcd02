"""Registered sources: folders, files and repositories of manifests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlscope.cli import main
from mlscope.errors import AssetError, ManifestError, OfflineError, UsageError
from mlscope.manifests import (
    add_source,
    list_datasets,
    list_models,
    list_sources,
    load_dataset,
    load_model,
    named_source,
    parse_tags,
    read_source,
    remove_source,
    select_weights,
    update_source,
)
from tests.conftest import Cli

NULL = load_model("null").path

pytestmark = pytest.mark.usefixtures("home")


def model(folder: Path, name: str, *, version: str = "1.0", file: str | None = None) -> Path:
    """A manifest of a model that answers at once."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (file or f"{name}.yml")
    text = (
        NULL.read_text().replace('name: "null"', f"name: {name}", 1).replace('version: "1.0"', f'version: "{version}"')
    )
    path.write_text(text)
    return path


def git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    return subprocess.run(
        ["git", *settings, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "change")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """A folder with a model, a data set, and YAML that is no manifest."""
    folder = tmp_path / "zoo"
    model(folder / "deep", "Rest")
    (folder / "data.yml").write_text("schema: mlscope/dataset/v1\nname: few\nversion: '1'\nclasses: 10\n")
    (folder / "mkdocs.yml").write_text("site_name: zoo\n")
    model(folder / ".hidden", "Unseen")
    return folder


@pytest.fixture
def repository(zoo: Path) -> Path:
    git(zoo, "init", "-q", "-b", "main")
    commit(zoo)
    return zoo


def test_what_is_registered_is_named_listed_and_chosen_by_tags(zoo: Path) -> None:
    before = {found.manifest.name for found in list_models()}
    source, contents = add_source(str(zoo))
    assert (source.name, source.path, source.commit) == ("zoo", zoo, None)
    assert [loaded.manifest.name for loaded in contents.sound] == ["few", "Rest"]
    assert not contents.broken
    found = load_model("Rest")
    assert (found.path, found.source) == (zoo / "deep" / "Rest.yml", source)
    assert load_model("zoo/Rest").path == found.path
    assert load_dataset("few").source == source
    assert {each.manifest.name for each in list_models()} - before == {"Rest"}
    assert "few" in {each.manifest.name for each in list_datasets()}
    model(zoo, "Later")
    assert load_model("Later").manifest.name == "Later"  # a folder is read where it lies
    assert remove_source("zoo") == source
    with pytest.raises(ManifestError, match="unknown model 'Rest'"):
        load_model("Rest")
    assert (zoo / "deep" / "Rest.yml").is_file()


def test_weights_of_a_source_have_its_name_as_a_tag(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    text = load_model("Digits_CNN").path.read_text()
    (folder / "digits.yml").write_text(text)
    add_source(str(folder))
    tags = "digits_cnn,onnxruntime,fp32"
    with pytest.raises(UsageError, match="mine/Digits_CNN for onnxruntime"):
        select_weights(parse_tags(tags))
    found, _ = select_weights(parse_tags(f"{tags},mine"))
    assert found.source is not None
    found, _ = select_weights(parse_tags(f"{tags},-mine"))
    assert found.source is None


def test_built_in_names_go_first_and_sources_are_told_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        model(tmp_path / name, "Rest")
        add_source(str(tmp_path / name))
    model(tmp_path / "one", "sleep")
    assert load_model("sleep").source is None
    assert load_model("one/sleep").path == tmp_path / "one" / "sleep.yml"
    with pytest.raises(ManifestError, match=r"several sources have 'Rest'; name one: one/Rest, two/Rest"):
        load_model("Rest")
    assert load_model("two/Rest").path == tmp_path / "two" / "Rest.yml"
    with pytest.raises(ManifestError, match=r"unknown model 'three/Rest'; did you mean '(one|two)/Rest'"):
        load_model("three/Rest")


def test_versions_in_a_source(tmp_path: Path) -> None:
    folder = tmp_path / "zoo"
    model(folder, "Rest", version="1.0", file="a.yml")
    model(folder, "Rest", version="2.0", file="b.yml")
    model(folder, "Rest", version="2.0", file="c.yml")
    _, contents = add_source(str(folder))
    assert load_model("Rest").path.name == "b.yml"
    assert load_model("Rest", "1").path.name == "a.yml"
    assert [str(error) for error in contents.broken] == [f"{folder}/c.yml:2:7: Rest 2.0 is in {folder}/b.yml already"]


@pytest.mark.parametrize("file", ["Bad.yml", "other.yml"])
def test_a_broken_manifest_is_loud_and_alone(file: str, zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_source(str(zoo))
    (zoo / file).write_text("schema: mlscope/model/v1\nname: Bad\nversion: '1'\ncolour: red\n")
    with pytest.raises(ManifestError, match=rf"{file}:\d+:\d+: "):
        load_model("Bad")
    assert load_model("Rest").manifest.name == "Rest"
    assert main(["info", "models"]) == 0
    said = capsys.readouterr()
    assert "Rest" in said.out
    (line,) = said.err.splitlines()
    assert line.startswith(f"mlscope: warning: {zoo}/{file}:")


def test_a_source_that_is_gone(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add_source(str(zoo))
    zoo.rename(zoo.with_name("elsewhere"))
    assert main(["manifest", "list"]) == 0
    assert f"{zoo}:1:1: zoo is not there any more" in capsys.readouterr().err
    with pytest.raises(ManifestError, match="zoo is not there any more"):
        load_model("zoo/Rest")
    assert load_model("sleep").source is None


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere", "there is no such folder or file"),
        ("ext::sh -c true", r"not fetched by ext::"),
        ("EXT::sh", r"not fetched by EXT::"),
        ("http://example.org/zoo.git", r"not fetched by http:"),
        ("git://example.org/zoo.git", r"not fetched by git:"),
        ("https::ext::sh", r"not fetched by https::"),
        ("https://me:secret@example.org/zoo.git", r"holds a password"),
    ],
)
def test_what_is_no_source(place: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        add_source(place)
    assert "secret" not in str(caught.value)
    assert list_sources() == []


def test_what_holds_nothing_is_not_registered(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(ManifestError, match="no manifest of a model or a data set"):
        add_source(str(tmp_path / "home"), name="empty")
    (tmp_path / "broken.yml").write_text("schema: mlscope/model/v1\nname: [\n")
    with pytest.raises(ManifestError, match=r"broken.yml:\d+:\d+"):
        add_source(str(tmp_path / "broken.yml"))
    with pytest.raises(UsageError, match="only a git repository has revisions"):
        add_source(str(repository), rev="main")
    add_source(str(repository))
    with pytest.raises(UsageError, match="there is a source zoo already"):
        add_source(str(repository))
    for name in ("a/b", "builtin", "-x", ""):
        with pytest.raises(UsageError, match="a source cannot be called"):
            add_source(str(repository), name=name)
    assert [source.name for source in list_sources()] == ["zoo"]


def test_one_commit_of_a_repository_is_kept_until_it_is_updated(repository: Path, home: Path) -> None:
    first = git(repository, "rev-parse", "HEAD")
    git(repository, "tag", "v1")
    address = repository.as_uri()
    source, _ = add_source(address)
    pinned, _ = add_source(address, name="pinned", rev="v1")
    assert (source.name, source.commit, pinned.commit) == ("zoo", first, first)
    assert not (source.path / ".git").exists()
    model(repository, "New")
    second = commit(repository)
    with pytest.raises(ManifestError, match="unknown model 'New'"):
        load_model("New")
    newest = update_source(source)
    assert (newest.commit, named_source("zoo").commit) == (second, second)
    assert load_model("New").source == newest
    assert not source.path.exists()
    assert update_source(pinned).commit == first
    by_commit, _ = add_source(address, name="exact", rev=second[:10])
    assert by_commit.commit == second
    remove_source("zoo")
    assert not newest.path.exists()
    assert sorted(path.name for path in (home / "manifests" / "checkouts").iterdir()) == [
        f"exact-{second[:12]}",
        f"pinned-{first[:12]}",
    ]


def test_what_cannot_be_fetched_leaves_nothing(repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = repository.as_uri()
    with pytest.raises(UsageError, match="no revision 'v9'"):
        add_source(address, rev="v9")
    with pytest.raises(UsageError, match="'--upload-pack=x' is no revision"):
        add_source(address, rev="--upload-pack=x")
    with pytest.raises(AssetError, match=r"git cannot fetch it: fatal: .*nowhere"):
        add_source("file:///nowhere/zoo")
    with pytest.raises(OfflineError, match="without a network"):
        add_source("https://example.org/zoo.git", offline=True)
    source, _ = add_source(address)
    for path in repository.rglob("*.yml"):
        path.unlink()
    commit(repository)
    with pytest.raises(ManifestError, match="no manifest of a model"):
        update_source(source)
    assert named_source("zoo") == source
    assert read_source(source).sound
    monkeypatch.setenv("PATH", str(home))
    with pytest.raises(AssetError, match="git is not installed"):
        update_source(source)
    assert [path.name for path in (home / "manifests" / "checkouts").iterdir()] == [source.path.name]


def test_nothing_of_a_repository_is_run(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = tmp_path / "ran"
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    for name in ("post-checkout", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {mark}\n")
        (hooks / name).chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(hooks.parent))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "no-repository"))
    configuration = tmp_path / "gitconfig"
    configuration.write_text(
        f"[init]\n\ttemplateDir = {hooks.parent}\n[core]\n\thooksPath = {hooks}\n[submodule]\n\trecurse = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    (repository / ".gitmodules").write_text(f'[submodule "x"]\n\tpath = x\n\turl = ext::touch {mark}\n')
    monkeypatch.delenv("GIT_DIR")
    git(repository, "-c", f"core.hooksPath={os.devnull}", "add", "-A")
    git(repository, "-c", f"core.hooksPath={os.devnull}", "commit", "-q", "-m", "submodule")
    mark.unlink(missing_ok=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "no-repository"))
    add_source(repository.as_uri())
    assert not mark.exists()


def test_by_the_command_line(cli: Cli, repository: Path) -> None:
    done = cli("manifest", "add", repository.as_uri(), "--name", "mine", "--format", "json")
    assert done.code == 0, done.err
    added = done.json()
    assert (added["name"], added["models"], added["datasets"], added["broken"]) == ("mine", 1, 1, 0)
    (listed,) = cli("manifest", "list", "--format", "json").json()
    assert listed == added
    (entry,) = (each for each in cli("info", "models", "--format", "json").json() if each["source"] != "built in")
    assert (entry["name"], entry["source"], entry["commit"]) == ("Rest", "mine", added["commit"])
    run = cli(
        "predict", "dataset", "--model-name", "Rest", "--dataset-name", "digits", "--batch-size", "100", "-f", "json"
    )
    assert run.code == 0, run.err
    (found,) = run.json()["evaluations"]
    plan = json.loads((Path(found["folder"]) / "plan.json").read_text())
    assert plan["model"]["source"] == {"name": "mine", "address": repository.as_uri(), "commit": added["commit"]}
    assert plan["dataset"]["source"] is None
    by_path = cli(
        *("predict", "dataset", "--model-name", repository / "deep" / "Rest.yml", "--dataset-name", "digits"),
        *("--batch-size", "100", "-f", "json"),
    )
    assert by_path.json()["evaluations"][0]["record"]["plan_id"] == found["record"]["plan_id"]
    assert cli("manifest", "update", "mine").out.startswith(f"mine at {added['commit'][:12]} unchanged: 1 model")
    assert cli("manifest", "remove", "mine").out == f"removed mine ({repository.as_uri()})\n"
    unknown = cli("predict", "dataset", "--model-name", "Rest")
    assert (unknown.code, len(unknown.err.splitlines())) == (3, 1)


def test_help_reads_no_source() -> None:
    code = (
        "import sys; from mlscope.cli import main; main(['--help']); "
        "sys.exit(any(name.startswith('mlscope.manifests') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
