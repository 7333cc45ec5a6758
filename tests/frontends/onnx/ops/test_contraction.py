"""Matrix products as equations."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.frontends.onnx.ops.contraction import matmul_equation
from tests.onnxtext import emitted


@pytest.mark.parametrize("left", range(1, 6))
@pytest.mark.parametrize("right", range(1, 6))
def test_matmul_is_numpy_s(left: int, right: int) -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((2, 3, 4, 5, 6)[-left:])
    b = rng.standard_normal((2, 3, 4, 6, 7)[-right:] if right > 1 else (6,))
    assert np.allclose(np.einsum(matmul_equation(left, right), a, b), np.matmul(a, b))


@pytest.mark.parametrize(
    ("node", "lines"),
    [
        ("MatMul(x, w)", ['y: [2,3,5] = contract(x, w) {equation="ayk,kz->ayz"}']),
        ('Einsum<equation = "nlc, cd -> ndl">(x, w)',
         ['y: [2,5,3] = contract(x, w) {equation="nlc,cd->ndl"}']),
        ('Einsum<equation = "...c,cd->...d">(x, w)',
         ['y: [2,3,5] = contract(x, w) {equation="ABc,cd->ABd"}']),
        ('Einsum<equation = "abc,cd">(x, w)',
         ['y: [2,3,5] = opaque(x, w) {reason="an einsum of other than two operands, or without '
          'a result", type="Einsum"}']),
        ('Einsum<equation = "aac,cd->ad">(q, w)',
         ['y: [2,5] = opaque(q, w) {reason="a repeated index", type="Einsum"}']),
        ("Gemm<transA = 1, transB = 1>(t, u)",
         ['y: [3,5] = contract(t, u) {equation="ky,zk->yz"}']),
    ],
)  # fmt: skip
def test_forms(node: str, lines: list[str]) -> None:
    inits = "float[4,5] w, float[4,3] t, float[5,4] u, float[2,2,4] q"
    assert emitted(f"y = {node}", "float[2,3,4] x", inits) == lines


def test_gemm_adds_its_bias() -> None:
    assert emitted("y = Gemm(x, w, b)", "float[2,4] x", "float[4,5] w, float[5] b") == [
        '"y~1": [2,5] = contract(x, w) {equation="yk,kz->yz"}',
        'y: [2,5] = pointwise.add("y~1", b)',
    ]
