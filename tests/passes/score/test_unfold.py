"""Layers as matrix products: their pieces together compute what the layer computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from graphprune.groups import Ids
from graphprune.ir import Node
from graphprune.passes.score import unfold as unfolding
from graphprune.passes.score.readers import Reader
from graphprune.passes.score.unfold import unfold

Attrs = dict[str, int | tuple[int, ...]]


def reader(node: Node, ids: Ids, operand: int = 0, axis: int = 1) -> Reader:
    return Reader(node, operand, axis, ids, 1, 1)


def by_onnx(kind: str, x: np.ndarray, w: np.ndarray, attrs: Attrs) -> np.ndarray:
    """What ONNX's own evaluator says that a convolution gives."""
    names = {"groups": "group"}
    given: dict[str, Any] = {
        names.get(k, k): list(v) if isinstance(v, tuple) else v for k, v in attrs.items()
    }
    node = helper.make_node(kind, ["x", "w"], ["y"], **given)
    values = [helper.make_tensor_value_info(n, onnx.TensorProto.DOUBLE, None) for n in "xwy"]
    graph = helper.make_graph([node], "net", values[:2], values[2:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    results: Any = ReferenceEvaluator(model).run(None, {"x": x, "w": w})
    return np.asarray(results[0])


def assembled(found: Reader, x: np.ndarray, w: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The layer's results in one list a filter, sorted: pieces come in an order of their own."""
    rows: list[np.ndarray] = []
    for pieces in unfold(found, x, w):
        parts = [pieces.weights @ piece for piece in pieces.inputs]
        assert len(pieces.ids) == pieces.weights.shape[1]
        rows += list(np.concatenate(parts, axis=1))
    assert len(rows) == shape[1]
    return np.sort(np.stack(rows), axis=1)


def by_filter(y: np.ndarray) -> np.ndarray:
    return np.sort(y.swapaxes(0, 1).reshape(y.shape[1], -1), axis=1)


CONVS: list[tuple[tuple[int, ...], tuple[int, ...], Attrs]] = [
    ((2, 4, 7, 6), (3, 4, 3, 3), {}),
    ((2, 4, 7, 6), (3, 4, 3, 2), {"pads": (1, 0, 2, 1), "strides": (2, 3)}),
    ((1, 4, 9, 9), (3, 4, 3, 3), {"dilations": (2, 3), "pads": (2, 2, 2, 2)}),
    ((2, 6, 5, 5), (4, 3, 3, 3), {"groups": 2, "pads": (1, 1, 1, 1)}),
    ((2, 4, 11), (3, 4, 5), {"strides": (2,)}),
    ((1, 2, 4, 5, 6), (3, 2, 2, 3, 2), {"pads": (0, 1, 0, 1, 0, 1)}),
]


@pytest.mark.parametrize("piece", [1 << 19, 64])
@pytest.mark.parametrize(("image", "kernel", "attrs"), CONVS)
def test_a_convolution(
    image: tuple[int, ...],
    kernel: tuple[int, ...],
    attrs: Attrs,
    piece: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(unfolding, "_PIECE", piece)
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(image), rng.standard_normal(kernel)
    ids = np.arange(1, image[1] + 1).reshape(1, -1, *(1 for _ in image[2:]))
    expected = by_onnx("Conv", x, w, attrs)
    found = assembled(reader(Node("conv", ("x", "w"), ("y",), attrs), ids), x, w, expected.shape)
    np.testing.assert_allclose(found, by_filter(expected), atol=1e-12)


TRANSPOSED: list[Attrs] = [
    {},
    {"strides": (2, 3), "pads": (1, 0, 2, 1)},
    {"strides": (2, 2), "output_padding": (1, 1), "dilations": (2, 1)},
    {"pads": (4, 4, 4, 4), "dilations": (1, 1), "strides": (3, 3)},
]


@pytest.mark.parametrize("attrs", TRANSPOSED)
def test_a_transposed_convolution(attrs: Attrs) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 4, 5, 6)), rng.standard_normal((4, 3, 3, 3))
    expected = by_onnx("ConvTranspose", x, w, attrs)
    node = Node("conv_transpose", ("x", "w"), ("y",), attrs)
    ids = np.arange(1, 5).reshape(1, 4, 1, 1)
    found = assembled(reader(node, ids), x, w, expected.shape)
    np.testing.assert_allclose(found, by_filter(expected), atol=1e-12)


def test_a_channel_has_as_many_elements_as_its_filters_have_taps() -> None:
    node = Node("conv", ("x", "w"), ("y",), {"groups": 2})
    ids = np.array([5, 6, 7, 8]).reshape(1, 4, 1, 1)
    x, w = np.zeros((1, 4, 3, 3)), np.zeros((6, 2, 2, 1))
    first, second = unfold(reader(node, ids), x, w)
    assert first.ids.tolist() == [5, 5, 6, 6]
    assert second.ids.tolist() == [7, 7, 8, 8]


EQUATIONS = [
    ("ab,bc->ac", (3, 4), (4, 5), 0),
    ("xab,cb->xac", (2, 3, 4), (5, 4), 0),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5), 0),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5), 1),
    ("bhqd,hdo->bqho", (2, 3, 4, 5), (3, 5, 2), 0),
    ("bqhd,hdo->bqo", (2, 4, 3, 5), (3, 5, 2), 0),
]


@pytest.mark.parametrize(("equation", "left", "right", "operand"), EQUATIONS)
def test_a_matrix_product(
    equation: str, left: tuple[int, ...], right: tuple[int, ...], operand: int
) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(left), rng.standard_normal(right)
    word = equation.partition("->")[0].split(",")[operand]
    letter = "d" if "d" in word else "b"
    x, w = (b, a) if operand else (a, b)
    extents = [n if c == letter else 1 for c, n in zip(word, x.shape, strict=True)]
    ids = np.arange(1, max(extents) + 1).reshape(extents)
    node = Node("contract", ("a", "b"), ("y",), {"equation": equation})
    found = reader(node, ids, operand, word.index(letter))
    products = list(unfold(found, x, w))
    parts = [p.weights @ piece for p in products for piece in p.inputs]
    total = np.concatenate([part.ravel() for part in parts])
    np.testing.assert_allclose(np.sort(total), np.sort(np.einsum(equation, a, b).ravel()))
    assert set(products[0].ids.tolist()) == set(ids.ravel().tolist())


def test_units_that_differ_from_head_to_head() -> None:
    node = Node("contract", ("q", "k"), ("y",), {"equation": "bhqd,bhkd->bhqk"})
    ids = np.arange(1, 7).reshape(1, 2, 1, 3)
    products = list(unfold(reader(node, ids, 0, 3), np.ones((2, 2, 4, 3)), np.ones((2, 2, 5, 3))))
    assert [p.ids.tolist() for p in products] == [[1, 2, 3], [4, 5, 6]] * 2
