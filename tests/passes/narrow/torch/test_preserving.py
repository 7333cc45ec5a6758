"""A wider module can compute exactly what the original computes."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402

from graphprune.copies import copies_of  # noqa: E402
from graphprune.frontends.torch import trace  # noqa: E402
from graphprune.passes.couple import couple  # noqa: E402
from graphprune.passes.narrow.torch import narrow_module  # noqa: E402
from graphprune.passes.narrow.torch.preserving import preserving, unpreservable  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402
from tests.pipelines.torch.test_pruning import draw  # noqa: E402

C, L = nn.Conv2d, nn.Linear
IMAGE = tensor(2, 3, 8, 8)


def _gated(self: Any, x: Any) -> Any:
    a = torch.relu(self.n(self.a(x)))
    gate = torch.sigmoid(self.up(torch.relu(self.down(a.mean((2, 3), keepdim=True)))))
    return self.b(a * gate + a)


MODULES = {
    "norms": Net(lambda s, x: s.b(s.n(s.a(x))), a=C(3, 6, 3), n=nn.BatchNorm2d(6), b=C(6, 4, 3)),
    "depthwise": Net(
        lambda s, x: s.c(s.b(s.a(x))), a=C(3, 6, 3), b=C(6, 6, 3, groups=6), c=C(6, 4, 1)
    ),
    "a gate": Net(
        _gated, a=C(3, 6, 3), n=nn.BatchNorm2d(6), down=C(6, 2, 1), up=C(2, 6, 1), b=C(6, 4, 3)
    ),
    "concat": Net(
        lambda s, x: s.c(torch.cat([s.a(x), s.b(x)], 1)), a=C(3, 6, 3), b=C(3, 5, 3), c=C(11, 4, 3)
    ),
    "flattened": Net(lambda s, x: s.b(s.a(x).flatten(1)), a=C(3, 6, 3), b=L(6 * 36, 4)),
    "channels last": Net(
        lambda s, x: s.b(s.a(x).permute(0, 2, 3, 1).flatten(1)), a=C(3, 6, 3), b=L(6 * 36, 4)
    ),
    "transposed": Net(lambda s, x: s.b(s.a(x)), a=nn.ConvTranspose2d(3, 6, 2), b=C(6, 4, 3)),
    "recurrent": Net(
        lambda s, x: s.b(s.a(x.flatten(2))[0]), a=nn.LSTM(64, 6, batch_first=True), b=L(6, 4)
    ),
}


@pytest.mark.parametrize("name", MODULES)
def test_readers_share_what_they_read_of_new_channels(name: str) -> None:
    module = draw(MODULES[name]).eval()
    traced = trace(module, (IMAGE,))
    coupling = couple(traced.graph)
    copies = copies_of(coupling, {g.name: g.width + 1 + i for i, g in enumerate(coupling)})
    assert unpreservable(coupling, copies) == ""
    narrowed = narrow_module(traced, coupling, copies)
    held = {k: v.clone() for k, v in narrowed.module.state_dict().items()}
    with torch.no_grad():
        with preserving(traced, coupling, copies, narrowed):
            found = narrowed.module(IMAGE)
        torch.testing.assert_close(found, module(IMAGE), rtol=1e-5, atol=1e-6)
        assert not torch.allclose(narrowed.module(IMAGE), found)
    for key, value in narrowed.module.state_dict().items():
        torch.testing.assert_close(value, held[key], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (
            Net(lambda s, x: s.b(s.n(s.a(x))), a=L(8, 6), n=nn.LayerNorm(6), b=L(6, 4)),
            "statistics run over new channels too: g1",
        ),
        (
            Net(lambda s, x: s.b(s.a(x)) * s.a(x).sum(1, keepdim=True), a=C(3, 6, 1), b=C(6, 4, 1)),
            "sums over new channels without weights",
        ),
    ],
    ids=["layer norm", "sum"],
)
def test_not_everything_can_be_preserved(module: Any, why: str) -> None:
    coupling = couple(trace(module.eval(), (IMAGE,)).graph)
    assert why in unpreservable(coupling, copies_of(coupling, {"g1": 9}))
    assert unpreservable(coupling, copies_of(coupling, {"g1": 3})) == ""
