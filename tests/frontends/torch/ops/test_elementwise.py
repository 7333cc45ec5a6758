"""Elementwise operators, in place or not, and operators that hand elements on."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F: Any = torch.nn.functional

from graphprune.frontends.torch.rules import RULES  # noqa: E402
from tests.frontends.torch.modules import (  # noqa: E402
    Forward,
    body,
    lines,
    lowered,
    proven,
    tensor,
)

L = torch.nn.Linear
V = tensor(2, 4)
FUNCTIONS: list[Forward] = [
    F.relu, F.relu6, F.hardswish, F.hardsigmoid, F.silu, F.mish, F.gelu, F.elu, F.selu, F.celu,
    F.leaky_relu, F.softplus, F.softshrink, F.hardshrink, F.tanhshrink, F.softsign, F.logsigmoid,
    F.hardtanh, F.rrelu, torch.sigmoid, torch.exp, torch.abs, torch.sign, torch.square, torch.erf,
    lambda x: F.threshold(x, 0.1, 0.0), lambda x: x.clamp(-1, 1), lambda x: x**2,
    lambda x: 1 - x, lambda x: x / 2 + 1, lambda x: torch.where(x > 0, x, 0.0),
    lambda x: x.masked_fill(x < 0, -1), lambda x: torch.maximum(x, x * 2),
    lambda x: torch.lerp(x, x.tanh(), 0.3), lambda x: torch.addcmul(x, x, x.cos()),
    lambda x: (x > 0) & (x < 1), lambda x: x.floor_divide(0.3), lambda x: torch.nan_to_num(x),
    lambda x: x.relu_().mul_(2).add_(x), lambda x: F.dropout(x, 0.5, False), lambda x: x.double(),
    lambda x: torch.ones_like(x) - x, lambda x: x.contiguous().clone().detach(),
    lambda x: torch.fake_quantize_per_tensor_affine(x, 0.1, 0, 0, 255), lambda x: x.logit(0.1),
    lambda x: torch.fmod(x, 0.7), lambda x: torch.isfinite(x), lambda x: torch.atan2(x, x + 1),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
def test_channels_pass(number: int) -> None:
    function = FUNCTIONS[number]

    def forward(s: Any, x: Any) -> Any:
        return s.b(function(s.a(x)).float())

    parts = {"a": L(4, 6), "b": L(6, 2)}
    assert all(
        n.family in ("contract", "pointwise") for n in lowered(forward, V, **parts).graph.nodes
    )
    assert proven(forward, V, **parts) == "g1[6] a.weight.0 a.bias.0 b.weight.1"


def test_operands_broadcast() -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.b(s.a(x) * s.k + s.c[:, None, None])

    parts = {
        "a": torch.nn.Conv2d(3, 6, 1), "b": torch.nn.Conv2d(6, 2, 1),
        "k": torch.nn.Buffer(tensor(1, 6, 1, 1)), "c": torch.nn.Parameter(tensor(6)),
    }  # fmt: skip
    assert proven(forward, tensor(2, 3, 8, 8), **parts) == (
        "g1[6] a.weight.0 a.bias.0 k.1 c.0 b.weight.1"
    )


def test_later_reads_see_what_was_written() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = x * 2
        y.relu_()
        y += 1
        return y * y

    assert body(lowered(forward, V)) == lines("""
        mul: [2,4] = pointwise.mul(inputs_0)
        relu_: [2,4] = pointwise.relu(mul)
        add_: [2,4] = pointwise.add(relu_)
        mul_1: [2,4] = pointwise.mul(add_, add_)
    """)


def test_a_cast_to_the_same_type_is_no_operation() -> None:
    text = body(lowered(lambda s, x: x.to(torch.float32).double().float(), V))
    assert text == lines("""
        to_1: float64[2,4] = pointwise.cast(inputs_0)
        to_2: [2,4] = pointwise.cast(to_1)
    """)


def test_slopes_lie_along_the_channels() -> None:
    parts = {"a": torch.nn.Conv2d(3, 6, 1), "b": torch.nn.Conv2d(6, 2, 1)}
    slopes = {"p": torch.nn.PReLU(6), "q": torch.nn.PReLU()}
    groups = proven(lambda s, x: s.b(s.q(s.p(s.a(x)))), tensor(2, 3, 4, 4), **parts, **slopes)
    assert groups == "g1[6] a.weight.0 a.bias.0 p.weight.0 b.weight.1"


def test_a_gated_half_ties_the_other() -> None:
    groups = proven(lambda s, x: s.b(F.glu(s.a(x), -1)), V, a=L(4, 6), b=L(3, 2))
    assert groups == "g1[3] a.weight.0 a.bias.0 b.weight.1"


def test_dropout_in_training_is_elementwise() -> None:
    assert "pointwise.dropout" in body(lowered(lambda s, x: F.dropout(x), V))
    assert body(lowered(lambda s, x: torch.native_dropout(x, 0.5, True), V)) == lines("""
        getitem: [2,4] = pointwise.native_dropout(inputs_0)
        getitem_1: bool[2,4] = pointwise.mask(inputs_0)
    """)


def test_no_operator_is_lowered_twice() -> None:
    from graphprune.frontends.torch.rules import lowers

    with pytest.raises(ValueError, match="'linear' is lowered twice"):
        lowers("linear")(RULES["linear"])
