"""Outputs of made-up engines against what they should be."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from graphprune.backends.base import Conditions, Engine, Precision
from graphprune.data import Array, InputSpec
from graphprune.errors import BackendError
from graphprune.measure import agreement
from tests.backends.test_onnxruntime import linear, ones

TRUE = np.array([[1.0, -2.0], [3.0, 4.0]], np.float32)


class Answering(Engine):
    """An engine that always returns the same."""

    def __init__(self, precision: Precision = "fp32", **outputs: Array) -> None:
        self.inputs = (InputSpec("x", (1,), np.dtype("float32")),)
        self.outputs = tuple(outputs)
        self.conditions = Conditions("answering", "1", "cpu", precision, 1)
        self.answer = outputs

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        return self.answer

    def close(self) -> None:
        """There is nothing to give back."""


def test_the_error_is_relative_in_the_l2_norm() -> None:
    found = agreement.check(Answering(y=TRUE * 1.00005), {}, {"y": TRUE})
    assert found.worst == pytest.approx(5e-5, rel=1e-2)
    assert found.tolerance == 1e-4


@pytest.mark.parametrize(
    ("precision", "right", "wrong"),
    [("fp32", 5e-5, 5e-4), ("fp16", 1e-2, 3e-2), ("bf16", 4e-2, 6e-2)],
)
def test_tolerances_by_precision(precision: Precision, right: float, wrong: float) -> None:
    agreement.check(Answering(precision, y=TRUE * (1 + right)), {}, {"y": TRUE})
    with pytest.raises(BackendError, match=f"is accepted in {precision}"):
        agreement.check(Answering(precision, y=TRUE * (1 + wrong)), {}, {"y": TRUE})


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(BackendError) as caught:
        agreement.check(Answering(y=TRUE, z=-TRUE), {}, {"y": TRUE, "z": TRUE})
    assert str(caught.value) == (
        "BackendError: answering computes something else than the model says\n"
        "  why:   relative error against onnxruntime without optimisation, z: 2; at most 0.0001 "
        "is accepted in fp32\n"
        "  fix:   its times would mean nothing; to see them all the same: --no-check"
    )
    with pytest.raises(BackendError, match="the engine has no output named 'z'"):
        agreement.check(Answering(y=TRUE), {}, {"y": TRUE, "z": TRUE})


@pytest.mark.parametrize(
    "found",
    [TRUE.T[:1], np.array([[1.0, -2.0], [3.0, np.nan]]), np.array([[np.inf, -2.0], [3.0, 4.0]])],
)
def test_other_shapes_and_lost_numbers_are_wrong(found: Array) -> None:
    with pytest.raises(BackendError, match=r"y: (inf|nan)"):
        agreement.check(Answering(y=found), {}, {"y": TRUE})


def test_what_is_no_number_must_stand_in_the_same_places() -> None:
    odd = np.array([np.nan, np.inf, -np.inf, 1.0], np.float32)
    assert agreement.check(Answering(y=odd.copy()), {}, {"y": odd}).worst == 0.0
    with pytest.raises(BackendError, match="y: inf"):
        agreement.check(Answering(y=-odd), {}, {"y": odd})


def test_of_integers_the_share_that_differs_counts() -> None:
    classes = np.arange(10)
    assert agreement.check(Answering(y=classes), {}, {"y": classes}).worst == 0.0
    with pytest.raises(BackendError, match=r"y: 0\.1;"):
        agreement.check(Answering(y=np.where(classes == 3, 0, classes)), {}, {"y": classes})
    assert agreement.check(Answering(y=classes[:0]), {}, {"y": classes[:0]}).worst == 0.0


def test_the_reference_is_the_model_as_written() -> None:
    assert agreement.reference(linear(), ones(2))["y"].tolist() == [[4, 4]] * 2


def quantised() -> onnx.ModelProto:
    node = helper.make_node("QuantizeLinear", ["x", "s"], ["y"])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    s = helper.make_tensor_value_info("s", TensorProto.FLOAT, [])
    y = helper.make_tensor_value_info("y", TensorProto.UINT8, [1])
    return helper.make_model(helper.make_graph([node], "q", [x, s], [y]))


def test_quantised_models_have_a_tolerance_of_their_own() -> None:
    assert agreement.is_quantised(quantised())
    assert not agreement.is_quantised(linear())
    engine = Answering(y=TRUE * 1.01)
    assert agreement.check(engine, {}, {"y": TRUE}, quantised=True).tolerance == 5e-2
