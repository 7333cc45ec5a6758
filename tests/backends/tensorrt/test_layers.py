"""TensorRT's layers, back to the model's nodes and to the groups of channels."""

from __future__ import annotations

import pytest

from graphprune.backends.tensorrt.layers import (
    EngineLayer,
    groups_by_node,
    read,
    seconds_by_group,
    with_groups,
)
from tests.cli.running import net

DETAILED = {
    "Layers": [
        {"Name": "Reformatting CopyNode for Input Tensor 0 to a + r", "LayerType": "Reformat"},
        {
            "Name": "a + r",
            "LayerType": "CaskConvolution",
            "TacticName": "sm80_xmma_fprop",
            "Metadata": "[ONNX Layer: a]\x1e[ONNX Layer: r]",
        },
        {"Name": "b + PWN(m)", "LayerType": "CaskConvolution"},
        {"Name": "{ForeignNode[c...c]}", "LayerType": "Myelin"},
    ]
}
TIMES = {"a + r": 1e-3, "b + PWN(m)": 2e-3, "{ForeignNode[c...c]}": 4e-3, "late": 5e-4}


def test_nodes_come_from_metadata_and_where_there_is_none_from_names() -> None:
    layers = with_groups(read(DETAILED, TIMES), net())
    assert [layer.nodes for layer in layers] == [(), ("a", "r"), ("b", "m"), ("c",), ()]
    assert [layer.seconds for layer in layers] == [0.0, 1e-3, 2e-3, 4e-3, 5e-4]
    assert [layer.copies for layer in layers] == [True, False, False, False, False]
    assert layers[1].tactic == "sm80_xmma_fprop"


def test_engines_without_details_give_names_alone() -> None:
    layers = with_groups(read({"Layers": ["a + r", "c"]}, {"c": 1.0}), net())
    assert [(layer.name, layer.nodes) for layer in layers] == [("a + r", ("a", "r")), ("c", ("c",))]


def test_every_node_has_the_groups_whose_channels_it_reads_or_writes() -> None:
    assert groups_by_node(net()) == {
        "a": ("g1",),
        "r": ("g1",),
        "b": ("g1", "g2"),
        "m": ("g2",),
        "c": ("g2",),
    }


def test_the_time_that_narrowing_a_group_would_shorten() -> None:
    layers = with_groups(read(DETAILED, TIMES), net())
    assert seconds_by_group(layers) == pytest.approx({"g2": 6e-3, "g1": 3e-3})
    assert list(seconds_by_group(layers)) == ["g2", "g1"]


def test_layers_are_named_as_they_are_where_nothing_is_known() -> None:
    assert read({}, {"x": 1.0}) == (EngineLayer("x", "", "", 1.0, ("x",)),)
