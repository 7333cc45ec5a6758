"""A plan of a module fits the module's ONNX export, and the other way round."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest

import graphprune
from graphprune.counterparts import Counterparts
from graphprune.errors import PlanMismatch
from graphprune.plan_json import PlannedParameter

MATRIX = ("out", "in")
OWN = PlannedParameter("up.weight", ("up.weight",), False, False, (6, 4), MATRIX)
MADE = PlannedParameter("val_2", ("up_weight",), True, False, (4, 6), MATRIX[::-1])
KEPT = {"0": np.array([0, 3]), "1": np.array([2])}


def renamed(
    planned: list[PlannedParameter], kind: str, model: list[PlannedParameter]
) -> dict[str, Mapping[str, list[int]]]:
    found = Counterparts.of(planned, {planned[0].name: KEPT}, kind, model)
    assert found.lost == [] if found.expected else [planned[0].name]
    return {e.name: {key: index.tolist() for key, index in e.axes.items()} for e in found.expected}


def test_axes_of_a_transposed_matrix_change_places_both_ways() -> None:
    assert renamed([OWN], "torch", [MADE]) == {"val_2": {"1": [0, 3], "0": [2]}}
    assert renamed([MADE], "onnx", [OWN]) == {"up.weight": {"1": [0, 3], "0": [2]}}


def test_factors_change_places_with_their_axes_and_are_missed_where_they_are_lost() -> None:
    factors = {"up.weight": {"1": np.array([2.5])}}
    (found,) = Counterparts.of([OWN], {"up.weight": KEPT}, "torch", [MADE], factors).expected
    assert {key: line.tolist() for key, line in found.factors.items()} == {"0": [2.5]}
    assert Counterparts.of([OWN], {}, "torch", [], factors).lost == ["up.weight"]


def other(parameter: PlannedParameter, **fields: Any) -> PlannedParameter:
    return PlannedParameter(**{**vars(parameter), **fields})


def test_another_shape_is_another_parameter() -> None:
    assert renamed([OWN], "torch", [other(MADE, shape=(6, 4))]) == {}
    assert renamed([OWN], "torch", [other(MADE, shape=(4, 5))]) == {}


def test_a_guessed_matrix_has_to_produce_and_contract_along_the_same_axes() -> None:
    own, made = other(OWN, shape=(4, 4)), other(MADE, shape=(4, 4), guessed=True)
    assert renamed([own], "torch", [made]) != {}
    assert renamed([own], "torch", [other(made, roles=MATRIX)]) == {}


def test_a_name_that_may_be_two_parameters_is_none() -> None:
    twin = other(OWN, name="up_weight", torch=("up_weight",))
    assert renamed([OWN, twin], "torch", [MADE]) == {}
    named = other(OWN, roles=("", ""))
    assert renamed([OWN, twin], "torch", [named]) == {
        "up.weight": {"0": [0, 3], "1": [2]},
    }


def test_of_several_candidates_the_one_that_exists_is_meant() -> None:
    made = other(MADE, torch=("weight", "up.weight"))
    assert renamed([OWN], "torch", [made]) != {}
    clash = other(OWN, name="weight", torch=("weight",))
    assert renamed([OWN, clash], "torch", [made]) == {}


def test_what_is_lost_begins_with_what_produces_or_contracts() -> None:
    norm = PlannedParameter("bn.weight", ("bn.weight",), False, False, (6,), ("scale",))
    kept = {"bn.weight": {"0": np.array([1])}, "up.weight": KEPT}
    assert Counterparts.of([norm, OWN], kept, "torch", []).lost == ["up.weight", "bn.weight"]


@cache
def pruned(name: str) -> tuple[Any, Any, Any]:
    """A small module in evaluation mode, what it is called with, and what pruning it gives."""
    torch = pytest.importorskip("torch")
    from tests.modules import exported

    torch.manual_seed(0)
    x = torch.randn(1, 3, 8, 8) if name == "Residual" else torch.randn(1, 5, 12)
    module = getattr(exported, name)().eval()
    return module, x, graphprune.prune(module, x, channels=0.5, run=False)


def dynamo(module: Any, x: Any) -> onnx.ModelProto:
    pytest.importorskip("onnxscript")
    import torch

    proto: onnx.ModelProto = torch.onnx.export(module, (x,), dynamo=True, verbose=False).model_proto
    return proto


def torchscript(module: Any, x: Any) -> onnx.ModelProto:
    import torch

    file = io.BytesIO()
    torch.onnx.export(module, (x,), file, dynamo=False, opset_version=17)
    return onnx.load_from_string(file.getvalue())


def gap(proto: onnx.ModelProto, module: Any, x: Any) -> float:
    """Largest relative difference between what the two compute."""
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    expected = module(x).detach().numpy()
    assert found.shape == expected.shape
    return float(np.abs(found - expected).max() / np.abs(expected).max())


EXPORTERS = pytest.mark.parametrize("export", [dynamo, torchscript])
# The TorchScript exporter says on every call that it is the older one.
QUIETLY = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@QUIETLY
@EXPORTERS
@pytest.mark.parametrize("name", ["Residual", "Transformer", "Functional"])
def test_the_same_channels_are_kept(name: str, export: Callable[..., onnx.ModelProto]) -> None:
    module, x, small = pruned(name)
    proto = export(module, x)
    there = graphprune.apply(proto, small.plan, run=False)
    assert there.proof.ok
    assert gap(there.model, small.model, x) < 1e-5
    narrow = graphprune.prune(proto, channels=0.5, run=False)
    plan = graphprune.Plan.from_json(narrow.plan.to_json())
    back = graphprune.apply(module, plan, x, run=False)
    assert back.proof.ok
    assert gap(narrow.model, back.model, x) < 1e-5


@QUIETLY
@EXPORTERS
def test_factors_travel_with_the_channels(export: Callable[..., onnx.ModelProto]) -> None:
    """Also where a norm was folded into the weights: it multiplies other axes than factors do."""
    module, x, _ = pruned("Residual")
    small = graphprune.prune(module, x, method="pfp-random", channels=0.5, data=[x], run=False)
    assert len(small.plan.factors) == 5
    proto = export(module, x)
    there = graphprune.apply(proto, small.plan)
    assert there.proof.ok
    assert gap(there.model, small.model, x) < 1e-5
    feeds = [{proto.graph.input[0].name: x.numpy()}]
    narrow = graphprune.prune(proto, method="pfp-random", channels=0.5, data=feeds, run=False)
    back = graphprune.apply(module, graphprune.Plan.from_json(narrow.plan.to_json()), x)
    assert back.proof.ok
    assert gap(narrow.model, back.model, x) < 1e-5


def test_factors_of_weights_that_the_model_has_not_are_refused() -> None:
    module, x, _ = pruned("Residual")
    small = graphprune.prune(module, x, method="pfp-random", channels=0.5, data=[x], run=False)
    plan = replace(small.plan, parameters=small.plan.parameters[:-2])
    with pytest.raises(PlanMismatch) as caught:
        graphprune.apply(dynamo(module, x), plan, run=False)
    assert "PlanMismatch: the plan multiplies weights of 'fc.weight'" in str(caught.value)


@QUIETLY
def test_gates_that_the_exporter_reorders_are_refused() -> None:
    module, x, small = pruned("Recurrent")
    with pytest.raises(PlanMismatch) as caught:
        graphprune.apply(torchscript(module, x), small.plan, run=False)
    text = str(caught.value)
    assert "without a counterpart: 'lstm.weight_" in text
    assert "graphprune.export(module, inputs, path, plan=plan)" in text


@QUIETLY
def test_the_export_of_another_module_is_refused() -> None:
    stranger, x, _ = pruned("Transformer")
    with pytest.raises(PlanMismatch, match="made for torch model 'Residual'"):
        graphprune.apply(torchscript(stranger, x), pruned("Residual")[-1].plan, run=False)
