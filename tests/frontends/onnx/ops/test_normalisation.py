"""Normalisations, softmaxes and their axes."""

from __future__ import annotations

import pytest

from tests.onnxtext import emitted

INITS = "float[4] c, float[6] l, float[2] g, int64 k = {-1}, float[3,6] both"


@pytest.mark.parametrize(
    ("opset", "node", "line"),
    [
        (17, "LayerNormalization(x, l, l)", 'layer_norm(x, l, "l@0") {axes=[3]}'),
        (17, "LayerNormalization<axis = -2>(x, both)", "layer_norm(x, both) {axes=[2,3]}"),
        (21, "GroupNormalization<num_groups = 2>(x, c, c)", 'group_norm(x, c, "c@0") {groups=2}'),
        (17, "InstanceNormalization(x, c, c)", 'instance_norm(x, c, "c@0")'),
        (17, "LRN<size = 3>(x)", "lrn(x)"),
        (13, "Softmax<axis = 1>(x)", "softmax(x) {axes=[1]}"),
        (13, "Softmax(x)", "softmax(x) {axes=[3]}"),
        (11, "Softmax<axis = 2>(x)", "softmax(x) {axes=[2,3]}"),
        (11, "LogSoftmax(x)", "softmax(x) {axes=[1,2,3]}"),
        (17, "CumSum(x, k)", "scan(x) {axes=[3]}"),
        (17, "Trilu(x)", "scan(x) {axes=[2,3]}"),
    ],
)  # fmt: skip
def test_forms(opset: int, node: str, line: str) -> None:
    assert emitted(f"y = {node}", "float[2,4,3,6] x", INITS, opset=opset) == [
        f"y: [2,4,3,6] = {line}"
    ]


def test_one_scale_a_group_keeps_the_channels() -> None:
    """As before opset 21; the shape of the result is known all the same."""
    assert emitted(
        "y = GroupNormalization<num_groups = 2>(x, g, g)", "float[2,4,3,6] x", INITS, opset=18
    ) == [
        '= opaque(x) {reason="one scale a group instead of one a channel", '
        'type="GroupNormalization"}',
        "y: [2,4,3,6] = pointwise.group_norm(x)",
    ]
