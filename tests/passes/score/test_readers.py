"""Who reads channels, and how many data points the paper's formula asks for."""

from __future__ import annotations

from math import log

import pytest

from graphprune.groups import Coupling
from graphprune.ir.text import parse
from graphprune.passes.couple import couple
from graphprune.passes.score.readers import data_points, readers


def coupled(*lines: str) -> Coupling:
    return couple(parse("\n".join(lines)))


def table(coupling: Coupling) -> list[tuple[str, str, int, int]]:
    """What every reader reads, multiplies by, its taps and its patches."""
    return [(r.channels, r.weights, r.taps, r.patches) for r in readers(coupling)]


def test_convolutions_and_products_read_what_passes_through_depthwise_ones() -> None:
    coupling = coupled(
        "input x: [2,3,8,8]",
        "param a: [6,3,3,3]",
        "param dw: [6,1,3,3]",
        "param b: [4,6,1,1]",
        "param w: [5,64]",
        "p: [2,6,8,8] = conv(x, a) {pads=[1,1,1,1]}",
        "q: [2,6,8,8] = conv(p, dw) {groups=6, pads=[1,1,1,1]}",
        "r: [2,4,8,8] = conv(q, b)",
        "m: [2,4,4,4] = pool.max(r) {kernel=[2,2], strides=[2,2]}",
        "f: [2,64] = reshape(m) {shape=[2,64]}",
        'y: [2,5] = contract(f, w) {equation="ab,cb->ac"}',
        "return y",
    )
    # A channel that was flattened is read sixteen times in each result, like by sixteen taps.
    assert table(coupling) == [("q", "b", 1, 64), ("f", "w", 16, 1)]


def test_every_group_of_a_convolution_has_all_patches() -> None:
    coupling = coupled(
        "input x: [1,3,6,6]",
        "param a: [8,3,1,1]",
        "param b: [4,4,3,3]",
        "p: [1,8,6,6] = conv(x, a)",
        "y: [1,4,4,4] = conv(p, b) {groups=2}",
        "return y",
    )
    assert table(coupling) == [("p", "b", 9, 16)]


def test_scores_of_attention_read_queries_and_keys() -> None:
    coupling = coupled(
        "input x: [1,5,6]",
        "param wq: [6,8]",
        "param wk: [6,8]",
        'q: [1,5,8] = contract(x, wq) {equation="bsi,io->bso"}',
        'k: [1,5,8] = contract(x, wk) {equation="bsi,io->bso"}',
        'y: [1,5,5] = contract(q, k) {equation="bqd,bkd->bqk"}',
        "return y",
    )
    assert [found[2:] for found in table(coupling)] == [(1, 5)]


def test_the_logarithm_counts_patches_and_taps() -> None:
    coupling = coupled(
        "input x: [1,3,6,6]",
        "param a: [8,3,1,1]",
        "param b: [4,8,3,3]",
        "p: [1,8,6,6] = conv(x, a)",
        "y: [1,4,4,4] = conv(p, b)",
        "return y",
    )
    (reader,) = readers(coupling)
    assert reader.log_events(1e-3) == pytest.approx(log(8 * 17 * 9 / 1e-3))


def test_a_resnet20_needs_183_images() -> None:
    lines, last = ["input x: [4,3,32,32]"], ("x", 3, 32)
    for i, (filters, size) in enumerate([(16, 32)] * 7 + [(32, 16)] * 6 + [(64, 8)] * 6):
        name, channels, before = last
        stride = before // size
        lines += [
            f"param w{i}: [{filters},{channels},3,3]",
            f"h{i}: [4,{filters},{size},{size}] = conv({name}, w{i}) "
            f"{{pads=[1,1,1,1], strides=[{stride},{stride}]}}",
        ]
        last = (f"h{i}", filters, size)
    lines += [
        "param w: [10,64]",
        "m: [4,64] = reduce.mean(h18) {axes=[2,3], keepdims=false}",
        'y: [4,10] = contract(m, w) {equation="ab,cb->ac"}',
        "return y",
    ]
    assert data_points(coupled(*lines)) == 183
