"""Choosing by tags: exactly one, or an answer that tells how to get there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlscope.errors import UsageError
from mlscope.manifests import Tagged, load_model, parse_tags, select_by_tags, select_images, select_weights

CARS = [
    Tagged("first", frozenset({"car", "red", "fast"}), 1),
    Tagged("second", frozenset({"car", "blue", "fast"}), 2),
    Tagged("third", frozenset({"car", "blue", "slow"}), 3),
]


def chosen(text: str) -> int:
    return select_by_tags(CARS, parse_tags(text), what="cars").value


def refused(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        chosen(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("tags", "value"), [("red", 1), ("blue,slow", 3), ("car, FAST, -red", 2), ("-blue", 1), ("blue,blue,fast", 2)]
)
def test_the_one_with_all_tags_is_chosen(tags: str, value: int) -> None:
    assert chosen(tags) == value


def test_two_that_match_are_listed_with_the_tag_that_decides() -> None:
    told = refused("car,blue")
    assert "2 cars have these tags: second (fast); third (slow)" in told
    assert "add a tag that decides: fast, slow" in told


def test_no_match_tells_what_is_left_without_each_tag() -> None:
    told = refused("red,slow")
    assert "no cars have all of the tags red, slow" in told
    assert "without red: third; without slow: first" in told


def test_an_unknown_tag_is_answered_with_the_nearest_and_all_there_are() -> None:
    told = refused("car,bleu")
    assert "no cars have the tag 'bleu'; did you mean 'blue'?" in told
    assert "tags are blue, car, fast, red, slow" in told


@pytest.mark.parametrize("text", ["", ",", " , "])
def test_no_tags_at_all_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no tags are given"):
        parse_tags(text)


TAGS = st.sampled_from(["a", "b", "c", "d"])


@given(st.lists(st.frozensets(TAGS), max_size=5), st.lists(TAGS | TAGS.map("-{}".format), min_size=1, max_size=3))
def test_a_choice_has_every_tag_and_no_other_candidate_has(sets: list[frozenset[str]], tags: list[str]) -> None:
    there = [Tagged(str(index), own, index) for index, own in enumerate(sets)]

    def fits(own: frozenset[str]) -> bool:
        return all(tag[1:] not in own if tag.startswith("-") else tag in own for tag in tags)

    matching = [index for index, own in enumerate(sets) if fits(own)]
    if len(matching) == 1:
        assert select_by_tags(there, tags, what="things").value == matching[0]
    else:
        with pytest.raises(UsageError, match="things"):
            select_by_tags(there, tags, what="things")


def test_weights_are_chosen_as_ck_did() -> None:
    with pytest.raises(UsageError, match=r"3 weights .* add a tag that decides: .*lite0, lite1, lite2"):
        select_weights(parse_tags("model,onnx,efficientnet,fp32"))
    found, entry = select_weights(parse_tags("model,onnx,efficientnet,fp32,lite0"))
    assert (found.manifest.name, entry.framework) == ("EfficientNet_Lite0", "onnxruntime")


def test_the_same_files_for_another_framework_are_chosen_by_its_name() -> None:
    found, entry = select_weights(parse_tags("onnx,lite0,openvino"))
    assert (found.manifest.name, entry.framework) == ("EfficientNet_Lite0", "openvino")


def test_images_are_chosen_by_how_they_are_prepared() -> None:
    inputs = load_model("MobileNet_v2_1.0_224_quant").manifest.inputs[0]
    selected = select_images(parse_tags("dataset,imagenet,preprocessed,using-opencv,rgb8,side.224"), inputs)
    assert (selected.found.manifest.name, selected.preprocess) == ("imagenet", "cached")
    assert select_images(parse_tags("imagenet,original"), inputs).preprocess == "inline"
    assert select_images(parse_tags("dataset,imagenet20"), inputs).preprocess is None


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ("dataset,imagenet,using-pillow", "no data sets have the tag 'using-pillow'; tags are .*using-opencv"),
        ("dataset,preprocessed", r"data sets have these tags: .*imagenet \(imagenet\)"),
        ("imagenet,original,preprocessed", "without original: imagenet \\(preprocessed\\)"),
    ],
)
def test_images_that_are_not_decided_are_explained(tags: str, message: str) -> None:
    inputs = load_model("MobileNet_v2_1.0_224_quant").manifest.inputs[0]
    with pytest.raises(UsageError, match=message):
        select_images(parse_tags(tags), inputs)
