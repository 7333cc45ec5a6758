"""ONNX's own operator tests: every form of every operator is lowered to the right shapes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from onnx import defs
from onnx.backend.test.case import node as cases
from onnx.backend.test.case.test_case import TestCase as Case

from graphprune.frontends.onnx import Lowered, load, lower
from graphprune.frontends.onnx.builder import RULES
from graphprune.ir.check import check
from graphprune.passes.couple import couple

# A dimension of extent 0 is read as unknown, as many exporters mean it.
_EMPTY = {"test_triu_zero", "test_tril_zero"}


@pytest.fixture(scope="module")
def every_case() -> list[Case]:
    return [c for c in cases.collect_testcases(None) if c.model is not None]


def _lowered(case: Case) -> Lowered:
    assert case.model is not None
    return lower(load(case.model))


def _wrong_shapes(case: Case) -> Iterator[str]:
    graph = _lowered(case).graph
    check(graph)
    couple(graph)
    expected = case.data_sets[0][1] if case.data_sets else []
    for name, array in zip(graph.outputs, expected, strict=False):
        shape = graph.values[name].shape
        if isinstance(array, np.ndarray) and shape is not None and shape != array.shape:
            yield f"{case.name}: {name} is {list(shape)}, should be {list(array.shape)}"


def test_every_operator_is_lowered_to_the_shape_it_has(every_case: list[Case]) -> None:
    wrong = [w for case in every_case if case.name not in _EMPTY for w in _wrong_shapes(case)]
    assert len(every_case) > 1000
    assert wrong == []


def test_known_contents_are_right(every_case: list[Case]) -> None:
    compared = 0
    for case in every_case:
        lowered = _lowered(case)
        expected = case.data_sets[0][1] if case.data_sets else []
        for name, array in zip(lowered.graph.outputs, expected, strict=False):
            if name in lowered.known and isinstance(array, np.ndarray):
                np.testing.assert_allclose(lowered.known[name], array, err_msg=case.name)
                compared += 1
    assert compared > 5


def test_every_rule_is_for_an_operator_that_exists() -> None:
    known = {schema.name for schema in defs.get_all_schemas_with_history()}
    outside = {"SimplifiedLayerNormalization"}  # onnxruntime registers it in ONNX's domain
    assert {op for op in RULES if "::" not in op} <= known | outside
