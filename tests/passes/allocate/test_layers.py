"""How the widths of groups size layers, and what layers cost."""

from __future__ import annotations

import pytest

from graphprune.cost import CostModel
from graphprune.passes.allocate.layers import SizedLayer, sized_layers
from tests.coupled import coupled
from tests.networks import ALL
from tests.passes.allocate.problems import layers_of, model_of


def sized(name: str) -> dict[str, SizedLayer]:
    coupling = ALL[name]
    return {layer.name: layer for layer in sized_layers(coupling, CostModel.of(coupling))}


def test_exponents_count_how_often_a_group_sizes_a_layer() -> None:
    found = {name: layer.exponents.tolist() for name, layer in sized("residual").items()}
    assert found == {
        "a.weight": [1, 0], "b.weight": [1, 1], "c.weight": [1, 1], "d.weight": [1, 0],
    }  # fmt: skip


def test_an_axis_of_several_groups_counts_by_their_shares() -> None:
    found = sized("concat")["c.weight"]
    assert found.exponents.tolist() == pytest.approx([4 / 13, 6 / 13])


def test_depthwise_layers_are_not_dense() -> None:
    assert {name: layer.dense for name, layer in sized("depthwise").items()} == {
        "a.weight": True, "dw.weight": False, "b.weight": True,
    }  # fmt: skip


def test_layers_of_gates_say_what_they_read() -> None:
    gated = [layer for layer in layers_of("efficientnet_b0") if layer.gated]
    assert len(gated) == 32
    assert not any(layer.dense for layer in gated)
    squeeze = gated[2]
    assert squeeze.exponents.sum() == 2 and squeeze.reads.sum() == 1


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2", "efficientnet_b0"])
def test_operations_add_up_to_those_of_the_network(name: str) -> None:
    layers = layers_of(name)
    assert sum(layer.macs for layer in layers) == model_of(name).full.macs


def test_a_shared_weight_is_one_layer_with_the_operations_of_both_uses() -> None:
    coupling = coupled("""
        input x: [1,4]
        param a: [4,4]
        p: [1,4] = contract(x, a) {equation="ak,zk->az"}
        y: [1,4] = contract(p, a) {equation="ak,zk->az"}
        return y
    """)
    (layer,) = sized_layers(coupling, CostModel.of(coupling))
    assert (layer.weights, layer.macs) == (16, 32)


def test_recurrent_cells_have_two_weights() -> None:
    coupling = coupled("""
        input x: [5,1,3]
        param w: [1,16,3]
        param r: [1,16,4]
        y: [5,1,1,4] = lstm(x, w, r)
        return y
    """)
    layers = sized_layers(coupling, CostModel.of(coupling))
    assert {layer.name: layer.macs for layer in layers} == {"w": 5 * 16 * 3, "r": 5 * 16 * 4}
