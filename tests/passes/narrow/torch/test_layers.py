"""What PyTorch's own layers say of their widths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.passes.narrow.torch.layers import rule_of, says  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402
from tests.passes.narrow.torch.networks import IMAGE, Plan, after, own  # noqa: E402

nn = torch.nn
C, L = nn.Conv2d, nn.Linear
V = tensor(2, 5)


def between(layer: Any, *inputs: Any, first: Any = None, last: Any = None) -> Mapping[str, Any]:
    """What a layer says once the channels around it are half as many."""
    net = Net(lambda s, x: s.b(s.m(s.a(x))), a=first or C(3, 8, 1), m=layer, b=last or C(8, 4, 1))
    changed = after(own(net, *(inputs or (IMAGE,))))
    return {k.removeprefix("m."): v for k, v in changed.items() if k.startswith("m.")}


def test_convolutions() -> None:
    assert between(C(8, 8, 1)) == {"in_channels": 4, "out_channels": 4}
    assert between(C(8, 8, 3, groups=8)) == {"in_channels": 4, "out_channels": 4, "groups": 4}
    assert between(C(8, 16, 3, groups=8), last=C(16, 2, 1)) == {
        "in_channels": 4, "out_channels": 8, "groups": 4,
    }  # fmt: skip
    assert between(C(8, 8, 3, groups=2)) == {"in_channels": 4, "out_channels": 4}
    assert between(nn.ConvTranspose2d(8, 8, 2)) == {"in_channels": 4, "out_channels": 4}
    assert between(nn.ConvTranspose2d(8, 8, 2, groups=8))["groups"] == 4


def test_linear_layers() -> None:
    assert between(L(8, 8), V, first=L(5, 8), last=L(8, 3)) == {
        "in_features": 4, "out_features": 4,
    }  # fmt: skip
    net = Net(lambda s, x: s.b(s.m(s.a(x), s.c(x))), a=L(5, 8), c=L(5, 6), m=nn.Bilinear(8, 6, 4),
              b=L(4, 3))  # fmt: skip
    changed = after(Plan(net.eval(), V).proven())
    found = {k: v for k, v in changed.items() if k.startswith("m.")}
    assert found == {"m.in1_features": 4, "m.in2_features": 3, "m.out_features": 2}


@pytest.mark.parametrize("affine", [True, False])
def test_norms_of_single_channels(affine: bool) -> None:
    assert between(nn.BatchNorm2d(8, affine=affine)) == {"num_features": 4}
    assert between(nn.InstanceNorm2d(8, affine=affine)) == {"num_features": 4}


@pytest.mark.parametrize("affine", [True, False])
def test_norms_across_channels(affine: bool) -> None:
    """Removal changes their statistics, so nothing is proven here but what they say."""

    def said(layer: Any, *inputs: Any, **around: Any) -> Mapping[str, Any]:
        parts = {"a": C(3, 8, 1), "b": C(8, 4, 1), **around}
        net = Net(lambda s, x: s.b(s.m(s.a(x))), m=layer, **parts)
        plan = Plan(net.eval(), *(inputs or (IMAGE,)))
        plan.alive = half(plan)
        changed = after(plan.narrow(strict=True))
        return {k.removeprefix("m."): v for k, v in changed.items() if k.startswith("m.")}

    lines = {"a": L(5, 8), "b": L(8, 3)}
    assert said(nn.GroupNorm(2, 8, affine=affine))["num_channels"] == 4
    assert said(nn.LayerNorm(8, elementwise_affine=affine), V, **lines) == {
        "normalized_shape": (4,)
    }
    assert said(nn.RMSNorm(8, elementwise_affine=affine), V, **lines) == {"normalized_shape": (4,)}


def half(plan: Plan) -> Any:
    from tests.frontends.torch.masking import draw

    return draw(plan.coupling, 0, exact=False)


def test_tables_and_slopes() -> None:
    words = torch.tensor([[1, 2, 6]])
    net = Net(lambda s, x: s.b(s.a(x)), a=nn.Embedding(7, 8, padding_idx=0), b=L(8, 3))
    assert after(own(net, words)) == {"a.embedding_dim": 4, "b.in_features": 4}
    assert between(nn.PReLU(8)) == {"num_parameters": 4}


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers(kind: Any) -> None:
    layer = kind(8, 6, 2, batch_first=True, bidirectional=True)
    net = Net(lambda s, x: s.b(s.m(s.a(x))[0]), a=L(5, 8), m=layer, b=L(12, 3))
    found = own(net, tensor(2, 3, 5))  # without words for it, PyTorch would go by stale copies
    changed = {k: v for k, v in after(found).items() if k.startswith("m.")}
    assert changed == {"m.input_size": 4, "m.hidden_size": 3}
    flat = found.module.m._flat_weights
    assert all(one is other for one, other in zip(flat, found.module.m.parameters(), strict=True))
    assert found.module.train()(tensor(2, 3, 5)).shape == (2, 3, 3)


def test_projected_states() -> None:
    net = Net(lambda s, x: s.b(s.m(x)[0]), m=nn.LSTM(5, 8, proj_size=4), b=L(4, 3))
    changed = {k: v for k, v in after(own(net, tensor(3, 2, 5))).items() if k.startswith("m.")}
    assert changed == {"m.hidden_size": 4, "m.proj_size": 2}


def test_derived_classes_have_the_rule_of_their_base() -> None:
    class Padded(C):  # type: ignore[misc,valid-type]
        def forward(self, x: Any) -> Any:
            return super().forward(nn.functional.pad(x, (1, 1, 1, 1)))

    assert between(Padded(8, 8, 3)) == {"in_channels": 4, "out_channels": 4}
    assert rule_of(Padded(1, 1, 1)) is rule_of(nn.Conv1d(1, 1, 1))
    assert rule_of(nn.ReLU()) is None


def test_a_class_has_one_rule() -> None:
    with pytest.raises(ValueError, match="Linear has two rules"):
        says(nn.Linear)(lambda site: {})
