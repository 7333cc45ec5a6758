"""Operators that only move elements."""

from __future__ import annotations

import pytest

from tests.onnxtext import emitted

INITS = """int64[3] a = {0,-1,4}, int64[1] one = {1}, int64[2] ends = {-1,9},
 int64[2] starts = {1,-3}, int64[2] steps = {1,-1}, int64[2] axes = {1,-1},
 int64[4] few = {1,0,2,1}, int64[3] k = {3,-1,0},
 int64[2] sizes = {5,1}, int64[6] pads = {0,1,2,0,0,1}, int64[3] big = {2,1,1}, float z,
 int64[2] back = {-9223372036854775807,0}"""


@pytest.mark.parametrize(
    ("node", "line"),
    [
        ("y = Reshape(x, a)", "y: [2,6,4] = reshape(x) {shape=[2,6,4]}"),
        ("y = Flatten<axis = 3>(x)", "y: [48,1] = reshape(x) {shape=[48,1]}"),
        ("y = Flatten<axis = -1>(x)", "y: [12,4] = reshape(x) {shape=[12,4]}"),
        ("y = Unsqueeze(x, axes)", "y: [2,1,6,4,1] = reshape(x) {shape=[2,1,6,4,1]}"),
        ("y = Transpose(x)", "y: [4,6,2] = transpose(x) {perm=[2,1,0]}"),
        ("y = Slice(x, starts, ends, axes, steps)",
         "y: [2,4,0] = slice(x) {axes=[1,2], ends=[-1,9], starts=[1,-3], steps=[1,-1]}"),
        ("y = Slice(x, one, one)",
         "y: [0,6,4] = slice(x) {axes=[0], ends=[1], starts=[1], steps=[1]}"),
        ("y, n = Split<axis = 1>(x, sizes)",
         "y: [2,5,4], n: [2,1,4] = split(x) {axis=1, sizes=[5,1]}"),
        ("y, n, m, o = Split<axis = 1, num_outputs = 4>(x)",
         "y: [2,2,4], n: [2,2,4], m: [2,2,4], o: [2,0,4] = split(x) {axis=1, sizes=[2,2,2,0]}"),
        ("y = Concat<axis = -2>(x, x)", "y: [2,12,4] = concat(x, x) {axis=1}"),
        ("y = Expand(z, big)", "y: [2,1,1] = expand(z) {shape=[2,1,1]}"),
        ("y = Tile(x, big)", "y: [4,6,4] = tile(x) {repeats=[2,1,1]}"),
        ("y = Pad(x, pads)", 'y: [2,7,7] = pad(x) {mode="constant", pads=[0,1,2,0,0,1]}'),
        ('y = Pad<mode = "reflect">(x, few, , axes)',
         'y: [2,9,5] = pad(x) {mode="reflect", pads=[0,1,0,0,2,1]}'),
        ("y = Gather<axis = 1>(x, k)", 'y: [2,3,4] = gather(x, "y~1") {axis=1}'),
    ],
)  # fmt: skip
def test_forms(node: str, line: str) -> None:
    assert emitted(node, "float[2,6,4] x", INITS, opset=18) == [line]


def test_constant_indices_are_counted_from_the_front() -> None:
    from graphprune.frontends.onnx import load, lower
    from tests.onnxtext import model

    text = f"net (float[2,6,4] x) => (float y) <{INITS}> {{ y = Gather<axis = 1>(x, k) }}"
    const = lower(load(model(text))).graph.values["y~1"].const
    assert const is not None and const.tolist() == [3, 5, 0]


def test_computed_indices_look_up() -> None:
    assert emitted("y = Gather(w, x)", "int64[2,3] x", "float[9,4] w") == [
        "y: [2,3,4] = lookup(w, x) {axis=0}"
    ]


@pytest.mark.parametrize(
    ("node", "line"),
    [
        ('DepthToSpace<blocksize = 2, mode = "CRD">(x)',
         "y: [1,2,4,6] = depth_to_space(x) {block=2, channel_first=true}"),
        ("DepthToSpace<blocksize = 2>(x)",
         "y: [1,2,4,6] = depth_to_space(x) {block=2, channel_first=false}"),
        ("Squeeze(x)", "y: [8,2,3] = reshape(x) {shape=[8,2,3]}"),
    ],
)  # fmt: skip
def test_images(node: str, line: str) -> None:
    assert emitted(f"y = {node}", "float[1,8,2,3] x", "float unused") == [line]
