"""Python code of a manifest, in the loader: what it may do, and how its faults are told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlscope.errors import DataError, WorkerError
from mlscope.loader import LoaderPool, LoaderSetup
from tests.loader.pictures import Array, png, scene
from tests.loader.pool import SHAPE, Pool


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    path.write_bytes(png(scene(8, 8)))
    return path


def loaded(folder: Path, picture: Path, element_type: str = "uint8", **hooks: str | None) -> tuple[str | None, Array]:
    """(error, tensor) of one picture."""
    steps = [{"op": "decode"}]
    with Pool(folder, rows=1, processes=1, hooks=hooks, element_type=element_type, steps=steps) as pool:
        return pool.load([picture])[0].error, np.array(pool.memory[0])


def test_preprocess_takes_the_place_of_the_steps(tmp_path: Path, picture: Path) -> None:
    code = """
import io
import numpy as np
from PIL import Image
def preprocess(ctx, data):
    assert isinstance(data, bytes)
    return 255 - np.asarray(Image.open(io.BytesIO(data)))
"""
    error, tensor = loaded(tmp_path, picture, preprocess=code)
    assert error is None
    np.testing.assert_array_equal(tensor, 255 - scene(8, 8))


def test_before_and_after_go_around_the_steps(tmp_path: Path, picture: Path) -> None:
    error, tensor = loaded(
        tmp_path,
        picture,
        before_preprocess="def before_preprocess(ctx, data):\n    return data + b'tail'\n",
        after_preprocess="def after_preprocess(ctx, array):\n    return array[::-1]\n",
        preprocess=None,
    )
    assert error is None
    np.testing.assert_array_equal(tensor, scene(8, 8)[::-1])


def test_hooks_know_their_model(tmp_path: Path, picture: Path) -> None:
    code = (
        "import numpy as np\n"
        "def preprocess(ctx, data):\n"
        "    assert sorted(ctx) == ['attributes', 'inputs', 'name', 'outputs', 'version'], ctx\n"
        "    return np.full((8, 8, 3), ord(ctx['attributes']['a']), np.uint8)\n"
    )
    error, tensor = loaded(tmp_path, picture, preprocess=code)
    assert error is None
    assert (tensor == ord("b")).all()


def test_a_list_of_one_array_is_taken_as_the_original_did(tmp_path: Path, picture: Path) -> None:
    code = "import numpy as np\ndef preprocess(ctx, data):\n    return [np.ones((8, 8, 3), np.uint8)]\n"
    error, tensor = loaded(tmp_path, picture, preprocess=code)
    assert error is None
    assert (tensor == 1).all()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise KeyError('lost')", "KeyError: 'lost'"),
        ("return None", "the hooks give shape (), the manifest says (8, 8, 3)"),
        ("return np.zeros((8, 8), np.uint8)", "the hooks give shape (8, 8), the manifest says (8, 8, 3)"),
        ("return np.zeros((1, 8, 8, 3), np.uint8)", "the hooks give shape (1, 8, 8, 3), the manifest says"),
        ("return np.full((8, 8, 3), 300)", "values from 300 to 300 do not fit into uint8"),
        ("return np.full((8, 8, 3), 0.5)", "values from 0.5 to 0.5 do not fit into uint8"),
        ("return np.full((8, 8, 3), 'a')", ""),
        ("return 'x' * 100000", ""),
        ("raise ValueError('two\\nlines ' + 'x' * 100000)", "ValueError: two lines xxx"),
    ],
)
def test_a_hook_that_fails_costs_its_sample(tmp_path: Path, picture: Path, body: str, message: str) -> None:
    code = f"import numpy as np\ndef preprocess(ctx, data):\n    {body}\n"
    error, tensor = loaded(tmp_path, picture, preprocess=code)
    assert error
    assert message in error
    assert "\n" not in error
    assert len(error) <= 500
    assert not tensor.any()


def test_values_that_fit_are_cast(tmp_path: Path, picture: Path) -> None:
    code = "import numpy as np\ndef preprocess(ctx, data):\n    return np.full((8, 8, 3), 200.0)\n"
    assert (loaded(tmp_path, picture, preprocess=code)[1] == 200).all()
    code = "import numpy as np\ndef preprocess(ctx, data):\n    return np.full((8, 8, 3), 0.5)\n"
    assert (loaded(tmp_path, picture, "float32", preprocess=code)[1] == 0.5).all()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def preprocess(ctx data):", "the hook preprocess cannot be loaded: SyntaxError: "),
        ("import no_such_module", "the hook preprocess cannot be loaded: ModuleNotFoundError: No module named"),
        ("1 / 0", "the hook preprocess cannot be loaded: ZeroDivisionError: division by zero"),
        ("def other(ctx, data):\n    return data", "the hook preprocess defines no function preprocess(ctx, data)"),
        ("preprocess = 7", "the hook preprocess defines no function preprocess(ctx, data)"),
    ],
)
def test_a_hook_that_cannot_be_loaded_is_an_error_before_anything_runs(tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        Pool(tmp_path, rows=1, hooks={"preprocess": code})
    assert message in str(caught.value)
    assert "mend the hook in the manifest" in str(caught.value)


def test_a_hook_that_ends_the_process_is_an_error(tmp_path: Path, picture: Path) -> None:
    code = "import os\ndef preprocess(ctx, data):\n    print('bye', flush=True)\n    os._exit(4)\n"
    message = "a loader process died; its log ends with: bye"
    with (
        Pool(tmp_path, rows=1, processes=1, hooks={"preprocess": code}) as pool,
        pytest.raises(WorkerError, match=message),
    ):
        pool.load([picture])


def test_what_a_hook_prints_goes_to_the_log(tmp_path: Path, picture: Path) -> None:
    code = "def before_preprocess(ctx, data):\n    print('seen', len(data))\n    return data\n"
    error, _ = loaded(tmp_path, picture, before_preprocess=code)
    assert error is None
    assert "seen" in (tmp_path / "loader.log").read_text()


def scores(folder: Path, outputs: list[Array], output: int = 0, **hooks: str) -> Array:
    """What the postprocess hooks make of stored outputs."""
    paths = []
    for number, values in enumerate(outputs):
        paths.append(folder / f"outputs-{number}.npy")
        np.save(paths[-1], values)
    pool = LoaderPool(LoaderSetup({}, hooks, {"name": "m"}), 1, folder / "loader.log")
    try:
        pool.postprocess(paths, len(outputs[0]), folder / "scores.npy", output)
    finally:
        pool.close()
    return np.asarray(np.load(folder / "scores.npy"))


FIRST = np.arange(12, dtype=np.float32).reshape(4, 3)
SECOND = np.arange(8, dtype=np.int64).reshape(4, 1, 2)


def test_postprocess_makes_scores_of_all_outputs(tmp_path: Path) -> None:
    code = "def postprocess(ctx, outputs):\n    return outputs[0][:2] + outputs[1][0]\n"
    found = scores(tmp_path, [FIRST, SECOND], postprocess=code)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, FIRST[:, :2] + SECOND[:, 0])


@pytest.mark.parametrize("output", [0, 1])
def test_the_hooks_around_it_see_outputs_and_scores(tmp_path: Path, output: int) -> None:
    before = "def before_postprocess(ctx, outputs):\n    return [values * 10 for values in outputs]\n"
    after = "def after_postprocess(ctx, scores):\n    return scores.reshape(-1)[::-1] + 1\n"
    found = scores(tmp_path, [FIRST, SECOND], output, before_postprocess=before, after_postprocess=after)
    expected = (FIRST if output == 0 else SECOND[:, 0]) * 10
    np.testing.assert_array_equal(found, expected[:, ::-1] + 1)


def test_plain_lists_of_numbers_are_scores(tmp_path: Path) -> None:
    code = "def postprocess(ctx, outputs):\n    return [0.25, 0.75]\n"
    np.testing.assert_array_equal(scores(tmp_path, [FIRST], postprocess=code), [[0.25, 0.75]] * 4)
    code = "def postprocess(ctx, outputs):\n    return [outputs[0]]\n"
    np.testing.assert_array_equal(scores(tmp_path, [FIRST], postprocess=code), FIRST)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("1 / (outputs[0][0] - 3)", "failed at sample 1: "),
        ("return 'words'", "failed at sample 0: ValueError"),
        ("return [[1, 2], [3]]", "failed at sample 0: ValueError"),
        ("return outputs[0][: 3 - int(outputs[0][0] > 0)]", "sample 1: ValueError: 2 scores, after 3 of the samples"),
        ("return outputs[0][: 3 - 2 * int(outputs[0][0] > 0)]", "sample 1: ValueError: 1 scores, after 3 of the"),
        ("return outputs[7]", "failed at sample 0: IndexError"),
    ],
)
def test_a_postprocess_hook_that_fails_says_at_which_sample(tmp_path: Path, body: str, message: str) -> None:
    code = (
        f"import numpy as np\nnp.seterr(all='raise')\ndef postprocess(ctx, outputs):\n    {body}\n    return outputs\n"
    )
    with pytest.raises(DataError) as caught:
        scores(tmp_path, [FIRST], postprocess=code)
    assert message in str(caught.value)


def test_a_postprocess_hook_that_ends_the_process_is_an_error(tmp_path: Path) -> None:
    code = "import os\ndef postprocess(ctx, outputs):\n    os._exit(3)\n"
    with pytest.raises(WorkerError, match="a loader process died"):
        scores(tmp_path, [FIRST], postprocess=code)


def test_without_hooks_nothing_is_run(tmp_path: Path, picture: Path) -> None:
    error, tensor = loaded(tmp_path, picture)
    assert error is None
    assert tensor.shape == SHAPE
    np.testing.assert_array_equal(tensor, scene(8, 8))
