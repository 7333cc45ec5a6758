"""Layers with weights, and what they are called."""

from __future__ import annotations

import pytest

from graphprune.report.layers import is_made_up, labels, weight_layers
from tests.report.drawn import digits, mixed


def test_every_kind_of_layer_is_found_in_order() -> None:
    found = [(layer.name, layer.kind, layer.width) for layer in weight_layers(mixed().coupling)]
    assert found == [
        ("stem", "conv 3×3", 8),
        ("/grouped/Conv", "conv in 2 1×1", 8),
        ("/dw/Conv", "depthwise 3×3", 8),
        ("up", "transposed conv 2×2", 6),
        ("mlp.0", "linear", 12),
        ("w", "lstm", 5),
        ("head", "linear", 4),
    ]


def test_groups_of_the_results() -> None:
    found = {layer.name: layer.groups for layer in weight_layers(mixed().coupling)}
    assert found["stem"] == {"g1": 8}
    assert found["/grouped/Conv"] == found["/dw/Conv"] == {"g2": 8}
    assert found["w"] == {"g5": 5}
    assert found["head"] == {}


def test_frozen_layers_are_not_prunable() -> None:
    frozen = [layer.name for layer in weight_layers(digits().coupling) if not layer.prunable]
    assert frozen == ["head"]


def test_made_up_names_give_way_to_a_bias_or_the_node() -> None:
    names = labels(mixed().coupling)
    assert names["onnx::Conv_7"] == "/grouped/Conv"
    assert names["val_9"] == "mlp.0"
    assert names["stem.weight"] == "stem"


@pytest.mark.parametrize("name", ["onnx::Conv_498", "val_12", "_v_3", "1234", "node_x", "const_0"])
def test_made_up(name: str) -> None:
    assert is_made_up(name)


@pytest.mark.parametrize("name", ["value.weight", "conv1.weight", "constant.scale", "1x1.weight"])
def test_not_made_up(name: str) -> None:
    assert not is_made_up(name)
