"""Tensors made while the network runs have the extents of what they meet."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.passes.narrow.torch.rewrite.rewriting import calls, net  # noqa: E402

WORDS = tensor(2, 5, 8)


def test_a_filled_tensor_follows() -> None:
    found = net(
        lambda m, x: m.b(m.a(x) + torch.full((5, 12), 0.5) + x.new_ones(12)),
        WORDS,
        a=nn.Linear(8, 12),
        b=nn.Linear(12, 3),
    )
    assert calls(found, "full")[0].startswith("full([5, 6], 0.5")
    assert calls(found, "new_ones")[0].startswith("new_ones(inputs_0, [6]")


def test_initial_states_follow_size_and_element_type_of_the_layer() -> None:
    found = net(
        lambda m, x: m.b(m.a(x)[0]),
        WORDS,
        a=nn.LSTM(8, 8, num_layers=2, batch_first=True),
        b=nn.Linear(8, 3),
    )
    assert [call.partition(",")[0] for call in calls(found, "zeros")] == ["zeros([2", "zeros([2"]
    assert found.a.weight_hh_l0.shape == (16, 4)
    assert found.double()(WORDS.double()).dtype == torch.float64
