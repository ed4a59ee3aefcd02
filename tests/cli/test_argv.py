"""Old spellings become today's, and nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.cli._argv import Flags, Line, normalise, rewrite
from mlscope.cli._pages import Path

FLAGS = Flags(
    switches=frozenset({"--gpu", "--verbose", "-v", "--publish", "--no-header", "--help", "-h"}),
    valued=frozenset(
        {"--num-file-parts", "--batch-size", "-b", "--limit", "--tracer-address", "--model-name", "--option"}
    ),
)

FLAG_NAMES = sorted(FLAGS.switches | FLAGS.valued)
values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
names = st.sampled_from(FLAG_NAMES)


def old(name: str) -> str:
    return "--" + name[2:].replace("-", "_") if name.startswith("--") else name


def line(*argv: str) -> Line:
    def below(_: Path) -> Flags:
        return FLAGS

    return normalise(argv, below)


def rewritten(*words: str) -> list[str]:
    return list(rewrite(words, FLAGS, []))


@given(names, values)
def test_only_the_name_of_a_flag_with_equals_is_rewritten(name: str, value: str) -> None:
    assert rewritten(f"{old(name)}={value}") == [f"{name}={value}"]


@given(st.lists(values))
def test_nothing_after_two_dashes_is_rewritten(words: list[str]) -> None:
    assert rewritten("--num_file_parts", "1", "--", *words) == ["--num-file-parts=1", "--", *words]


@given(st.lists(values.filter(lambda word: not word.startswith("-"))))
def test_words_that_are_no_flags_stay_as_they_are(words: list[str]) -> None:
    assert rewritten(*words) == words


@given(st.lists(st.one_of(names.map(old), values, st.tuples(names.map(old), values).map("=".join))))
def test_rewriting_twice_changes_nothing_more(words: list[str]) -> None:
    once = rewritten(*words)
    assert rewritten(*once) == once


@given(st.integers(max_value=-1) | st.floats(max_value=-0.001, allow_infinity=False))
def test_a_negative_number_is_a_value(number: float) -> None:
    assert rewritten("--num_file_parts", f"{number}") == [f"--num-file-parts={number}"]


@pytest.mark.parametrize(
    ("old_spelling", "today"),
    [
        ("--num_file_parts=100", ["--num-file-parts=100"]),
        ("--num_file_parts -1", ["--num-file-parts=-1"]),
        ("--limit=-1", ["--limit=-1"]),
        ("--gpu=false --publish=true", ["--gpu=false", "--publish=true"]),
        ("-b 4", ["-b=4"]),
        ("-b4", ["-b4"]),
        ("--no_header out_put.csv", ["--no-header", "out_put.csv"]),
        ("--model_name my_model", ["--model-name=my_model"]),
        ("--model-name=some_dir/my_model.yml", ["--model-name=some_dir/my_model.yml"]),
        ("--option graph_level=3", ["--option=graph_level=3"]),
        ("--batch_size --gpu", ["--batch-size", "--gpu"]),
        ("-", ["-"]),
    ],
)
def test_spellings(old_spelling: str, today: list[str]) -> None:
    assert rewritten(*old_spelling.split()) == today


def test_the_readmes_typo_is_read_with_a_warning() -> None:
    found = line("predict", "dataset", "--tracer_address-localhost")
    assert found.arguments == ("--tracer-address=localhost",)
    assert found.warnings == ("--tracer_address-localhost is read as --tracer-address=localhost",)


@given(st.integers(0, 2), st.sampled_from(["--verbose", "-v", "--batch_size=3", "--gpu=false"]))
def test_flags_may_stand_anywhere_among_the_commands_words(place: int, flag: str) -> None:
    argv = ["predict", "dataset"]
    argv.insert(place, flag)
    assert line(*argv) == Line(("predict", "dataset"), (flag.replace("_", "-"),), ())


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_value_of_an_early_flag_is_no_command(place: int) -> None:
    argv = ["predict", "dataset"]
    argv[place:place] = ["--model_name", "runs"]
    assert line(*argv) == Line(("predict", "dataset"), ("--model-name=runs",), ())


def test_other_words_for_a_command() -> None:
    assert line("predict", "url", "a_b.png").path == ("predict", "urls")
    assert line("help", "runs", "list") == Line(("runs", "list"), ("--help",), ())


@pytest.mark.parametrize(
    ("words", "path", "arguments"),
    [
        ("info evaluation model info", "model", ()),
        ("info evaluation model", "model", ()),
        ("info evaluation layer info --batch_size 4", "layers", ("--batch-size=4",)),
        ("info evaluation layer aggre_info", "layer-aggregate", ()),
        ("info evaluation layer_tree", "layer-tree", ()),
        ("info evaluation gpu_kernel layer_aggre_gpu_cpu", "kernels", ("--by", "layer")),
        ("--batch_size=4 evaluation gpu_kernel name_aggre_info", "kernels", ("--by", "name", "--batch-size=4")),
        ("evaluation event_flow", "eventflow", ()),
        ("info evaluation flow", "eventflow", ()),
        ("info evaluation database divergence", "divergence", ()),
        ("database kldivergence", "divergence", ()),
    ],
)
def test_reports_by_the_originals_words(words: str, path: str, arguments: tuple[str, ...]) -> None:
    assert line(*words.split()) == Line(("info", "evaluation", path), arguments, ())


def test_the_last_of_equal_flags_stays_the_last() -> None:
    assert line("--batch_size=1", "predict", "dataset", "--batch_size=2").arguments == (
        "--batch-size=1",
        "--batch-size=2",
    )


def test_an_unknown_command_keeps_its_place() -> None:
    assert line("--verbose", "predict", "datset", "x").tokens == ["predict", "datset", "--verbose", "x"]
