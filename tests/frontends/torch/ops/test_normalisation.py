"""Normalisations: exact by channel, approximate where statistics run over channels."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F: Any = torch.nn.functional

from graphprune.passes.couple import couple  # noqa: E402
from tests.frontends.torch.modules import (  # noqa: E402
    body,
    lines,
    lowered,
    opaque,
    proven,
    tensor,
)

C, L = torch.nn.Conv2d, torch.nn.Linear
IMAGE, V = tensor(2, 3, 8, 8), tensor(2, 4)
NORMS: dict[str, tuple[Any, str]] = {
    "batch": (
        torch.nn.BatchNorm2d(6),
        "g1[6] a.weight.0 a.bias.0 n.weight.0 n.bias.0 n.running_mean.0 n.running_var.0 b.weight.1",
    ),
    "batch without parameters": (
        torch.nn.BatchNorm2d(6, affine=False, track_running_stats=False),
        "g1[6] a.weight.0 a.bias.0 b.weight.1",
    ),
    "instance": (
        torch.nn.InstanceNorm2d(6, affine=True),
        "g1[6] a.weight.0 a.bias.0 n.weight.0 n.bias.0 b.weight.1",
    ),
    "group": (
        torch.nn.GroupNorm(3, 6), "g1[3] a.weight.0 a.bias.0 n.weight.0 n.bias.0 b.weight.1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NORMS)
def test_by_channel(name: str) -> None:
    norm, expected = NORMS[name]
    groups = proven(lambda s, x: s.b(s.n(s.a(x))), IMAGE, a=C(3, 6, 1), n=norm, b=C(6, 2, 1))
    assert groups == expected


@pytest.mark.parametrize(
    ("norm", "members"),
    [
        (torch.nn.LayerNorm(6), "n.weight.0 n.bias.0 "),
        (torch.nn.LayerNorm(6, bias=False), "n.weight.0 "),
        (torch.nn.LayerNorm(6, elementwise_affine=False), ""),
        (torch.nn.RMSNorm(6), "n.weight.0 "),
    ],
)
def test_over_channels(norm: Any, members: str) -> None:
    groups = proven(lambda s, x: s.b(s.n(s.a(x))), V, a=L(4, 6), n=norm, b=L(6, 2))
    op = "rms_norm" if isinstance(norm, torch.nn.RMSNorm) else "layer_norm"
    assert groups == f"g1[6] a.weight.0 a.bias.0 {members}b.weight.1 ~ layer norm 'n.{op}'"


def test_several_axes() -> None:
    traced = lowered(lambda s, x: s.n(x), IMAGE, n=torch.nn.LayerNorm((3, 8, 8)))
    assert body(traced) == lines("""
        layer_norm: [2,3,8,8] = layer_norm(inputs_0, n.weight, n.bias) {axes=[1,2,3]}
    """)


@pytest.mark.parametrize("old", [True, False])
def test_weights_of_given_norms(old: bool) -> None:
    wrap = torch.nn.utils.weight_norm if old else torch.nn.utils.parametrizations.weight_norm
    v, g = ("weight_v", "weight_g") if old else (
        "parametrizations.weight.original1", "parametrizations.weight.original0"
    )  # fmt: skip
    groups = proven(lambda s, x: s.b(s.a(x)), V, a=wrap(L(4, 6)), b=wrap(L(6, 2)))
    members = {f"a.{v}.0", f"a.{g}.0", "a.bias.0", f"b.{v}.1"}
    assert groups.startswith("g1[6] ")
    assert set(groups.split()[1:]) == members


def test_weights_divided_by_their_largest_singular_value() -> None:
    wrap = torch.nn.utils.parametrizations.spectral_norm
    groups = proven(lambda s, x: s.b(s.a(x)), V, a=wrap(L(4, 6)), b=L(6, 2))
    assert "a.parametrizations.weight.original.0" in groups.split()


def test_statistics_that_are_read_freeze() -> None:
    traced = lowered(lambda s, x: torch.native_layer_norm(x, [4], None, None, 1e-5), V)
    assert opaque(traced) == {"native_layer_norm": "the statistics are read"}
    traced = lowered(lambda s, x: torch.native_layer_norm(x, [4], None, None, 1e-5)[0], V)
    assert opaque(traced) == {}


def test_neighbouring_channels_freeze() -> None:
    groups = proven(
        lambda s, x: s.b(F.local_response_norm(s.a(x), 3)), IMAGE, a=C(3, 6, 1), b=C(6, 2, 1)
    )
    assert groups == ""


def test_a_weight_standardised_by_a_batch_norm_has_other_statistics_when_narrowed() -> None:
    def forward(net: Any, x: Any) -> Any:
        flat = net.weight.reshape(1, 6, -1)
        weight = F.batch_norm(flat, None, None, training=True)
        return F.conv2d(torch.relu(net.a(x)), weight.reshape_as(net.weight))

    weight = torch.nn.Parameter(torch.randn(6, 8, 1, 1))
    (group,) = couple(lowered(forward, IMAGE, a=C(3, 8, 1), weight=weight).graph).groups
    assert str(group) == "g1[8] weight.1 a.weight.0 a.bias.0 ~ instance norm 'batch_norm'"
