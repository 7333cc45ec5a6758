"""Every element depends on all along an axis."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from tests.frontends.torch.modules import (  # noqa: E402
    Forward,
    body,
    lines,
    lowered,
    proven,
    tensor,
)

L = torch.nn.Linear
X = tensor(2, 5, 4)
ALONG: dict[str, Any] = {
    "softmax": lambda y, axis: y.softmax(axis),
    "log_softmax": lambda y, axis: y.log_softmax(axis),
    "cumsum": lambda y, axis: y.cumsum(axis),
    "cumprod": lambda y, axis: y.cumprod(axis),
    "cummax": lambda y, axis: y.cummax(axis)[0],
    "sort": lambda y, axis: y.sort(axis)[0],
    "argsort": lambda y, axis: y.argsort(axis).float(),
    "topk": lambda y, axis: y.topk(y.shape[axis], axis)[0],
}


@pytest.mark.parametrize("name", ALONG)
def test_the_axis_freezes_and_others_pass(name: str) -> None:
    run: Forward = ALONG[name]
    parts = {"a": L(4, 6), "b": L(6, 2)}
    assert proven(lambda s, x: s.b(run(s.a(x), 1)), X, **parts) == (
        "g1[6] a.weight.0 a.bias.0 b.weight.1"
    )
    assert proven(lambda s, x: s.b(run(s.a(x), 2)), X, **parts) == ""


def test_fewer_than_all() -> None:
    assert body(lowered(lambda s, x: x.topk(2, 1), X)) == lines("""
        "topk~1": [2,5,4] = scan(inputs_0) {axes=[1]}
        getitem: [2,2,4] = slice("topk~1") {axes=[1], ends=[2], starts=[0], steps=[1]}
        "topk~3": [2,5,4] = scan(inputs_0) {axes=[1]}
        getitem_1: int64[2,2,4] = slice("topk~3") {axes=[1], ends=[2], starts=[0], steps=[1]}
    """)


def test_triangles() -> None:
    assert body(lowered(lambda s, x: x.tril(), X)) == lines("""
        tril: [2,5,4] = scan(inputs_0) {axes=[1,2]}
    """)
