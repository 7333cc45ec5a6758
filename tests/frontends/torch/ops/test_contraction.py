"""Matrix products become contractions whose indices are coupled."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F: Any = torch.nn.functional

from tests.frontends.torch.modules import (  # noqa: E402
    Forward,
    body,
    lines,
    lowered,
    opaque,
    proven,
    tensor,
)

L = torch.nn.Linear
PRODUCTS: dict[str, tuple[Forward, tuple[int, ...], tuple[int, ...], str, str]] = {
    "a vector as weight": (
        lambda s, x: F.linear(s.a(x), s.w), (2, 4), (6,), "ak,k->a", "w.0",
    ),
    "matmul with a vector": (lambda s, x: s.a(x) @ s.w, (2, 4), (6,), "yk,k->y", "w.0"),
    "a batch of matrices": (
        lambda s, x: torch.matmul(s.a(x)[:, None], s.w), (2, 4), (2, 6, 3), "ayk,akz->ayz", "w.1",
    ),
    "addmm": (
        lambda s, x: torch.addmm(x[:, :3], s.a(x), s.w), (2, 4), (6, 3), "yk,kz->yz", "w.0",
    ),
    "inner": (lambda s, x: torch.inner(s.a(x), s.w), (2, 4), (3, 6), "ak,Ak->aA", "w.1"),
    "tensordot": (
        lambda s, x: torch.tensordot(s.a(x), s.w, ([1], [0])), (2, 4), (6, 3), "ab,bB->aB", "w.0",
    ),
    "einsum with an ellipsis": (
        lambda s, x: torch.einsum("...i,oi->...o", s.a(x), s.w), (2, 5, 4), (3, 6),
        "abi,oi->abo", "w.1",
    ),
    "einsum without a result": (
        lambda s, x: torch.einsum("bi,oi", s.a(x), s.w), (2, 4), (3, 6), "bi,oi->bo", "w.1",
    ),
}  # fmt: skip


def test_linear_is_a_product_and_a_sum() -> None:
    traced = lowered(lambda s, x: s.a(x), tensor(2, 5, 4), a=L(4, 6))
    assert body(traced) == lines("""
        "linear~1": [2,5,6] = contract(inputs_0, a.weight) {equation="abk,zk->abz"}
        linear: [2,5,6] = pointwise.add("linear~1", a.bias)
    """)


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_contracted_index_is_coupled(name: str) -> None:
    function, x, w, equation, member = PRODUCTS[name]
    torch.manual_seed(0)
    parts = {"a": L(4, 6), "w": torch.nn.Parameter(tensor(*w))}
    traced = lowered(function, tensor(*x), **parts)
    found = [n.attrs["equation"] for n in traced.graph.nodes if n.op == "contract"]
    assert found[1:] == [equation]
    assert proven(function, tensor(*x), **parts) == f"g1[6] a.weight.0 a.bias.0 {member}"


def test_both_operands_may_be_activations() -> None:
    groups = proven(
        lambda s, x: torch.bmm(s.a(x), s.b(x).transpose(1, 2)),
        tensor(2, 5, 4),
        a=L(4, 6),
        b=L(4, 6),
    )
    assert groups == "g1[6] a.weight.0 a.bias.0 b.weight.0 b.bias.0"


def test_einsum_takes_operands_two_at_a_time() -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.b(torch.einsum("bi,bj,ijk->bk", s.a(x), s.c(x), s.w))

    w = torch.nn.Parameter(tensor(5, 6, 7))
    parts = {"a": L(4, 5), "c": L(4, 6), "w": w, "b": L(7, 3)}
    found = [n.attrs["equation"] for n in lowered(forward, tensor(2, 4), **parts).graph.nodes
             if n.outputs[0].startswith("einsum")]  # fmt: skip
    assert found == ["bi,bj->bij", "bij,ijk->bk"]
    assert proven(forward, tensor(2, 4), **parts) == lines("""
        g1[5] a.weight.0 a.bias.0 w.0
        g2[6] c.weight.0 c.bias.0 w.1
        g3[7] w.2 b.weight.1
    """)


def test_einsum_of_one_operand_sums_and_transposes() -> None:
    traced = lowered(lambda s, x: torch.einsum("bti->ib", x), tensor(2, 5, 4))
    assert body(traced) == lines("""
        "einsum~1": [2,4] = reduce.sum(inputs_0) {axes=[1], keepdims=false}
        einsum: [4,2] = transpose("einsum~1") {perm=[1,0]}
    """)


def test_a_diagonal_is_no_product() -> None:
    traced = lowered(lambda s, x: torch.einsum("bii->bi", s.a(x)), tensor(2, 6, 4), a=L(4, 6))
    assert opaque(traced) == {"einsum": "a repeated index"}


def test_bilinear_contracts_both_sides() -> None:
    groups = proven(
        lambda s, x: s.c(s.a(x), s.b(x)),
        tensor(2, 4),
        a=L(4, 5),
        b=L(4, 6),
        c=torch.nn.Bilinear(5, 6, 3),
    )
    assert groups == lines("""
        g1[5] a.weight.0 a.bias.0 c.weight.1
        g2[6] b.weight.0 b.bias.0 c.weight.2
    """)
