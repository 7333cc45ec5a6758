"""Parameters of a traced module keep the module's names, which torch.export spells its own way."""

from __future__ import annotations

from graphprune.frontends.origin import Origin, own_names, spelled
from graphprune.ir import Graph, Value


def test_spelling_is_that_of_torch_export() -> None:
    assert spelled("encoder.layers.0.in_proj_weight") == "encoder_layers_0_in_proj_weight"
    assert spelled("Fc.W") == "fc_w"


def test_parameters_of_a_module_stand_for_themselves() -> None:
    values = (
        Value("x", (1, 4), kind="input"),
        Value("fc.weight", (3, 4), kind="param", source="fc.weight"),
        Value("p_add", (3,), kind="param", source="add"),
    )
    graph = Graph({v.name: v for v in values}, (), ("x",), ())
    assert own_names(graph) == {"fc.weight": Origin(("fc.weight",)), "p_add": Origin(("add",))}
