"""What continuous integration must run is not skipped in silence."""

from __future__ import annotations

import pytest

from tests.frameworks.harness import unavailable


def test_a_framework_of_continuous_integration_fails_where_it_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.delenv("MLSCOPE_TEST_WITHOUT", raising=False)
    with pytest.raises(
        pytest.fail.Exception, match="no stack; where that cannot be helped, name mxnet in MLSCOPE_TEST"
    ):
        unavailable("mxnet", "no stack")
    with pytest.raises(pytest.skip.Exception):
        unavailable("jax", "no stack")
    monkeypatch.setenv("MLSCOPE_TEST_WITHOUT", "openvino, mxnet")
    with pytest.raises(pytest.skip.Exception):
        unavailable("mxnet", "no stack")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception):
        unavailable("pytorch", "no stack")
