"""Channel shuffles are one permutation, which any width can follow."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from graphprune.ir.text import parse, print_graph
from graphprune.passes.couple.shuffles import fuse_shuffles, permutation
from tests.coupled import groups

SHUFFLE = """
    r = reshape(g) {shape=[1,3,4,4,4]}
    t = transpose(r) {perm=[0,2,1,3,4]}
    s = reshape(t) {shape=[1,12,4,4]}
"""


def test_a_shuffle_between_dense_convs_leaves_every_width() -> None:
    text = f"""
        input x: [1,3,4,4]
        param wg: [12,3,1,1]
        param wb: [5,12,1,1]
        g = conv(x, wg)
        {SHUFFLE}
        y = conv(s, wb)
        return y
    """
    assert groups(text) == snapshot("""\
g1[12] wg.0 wb.1
frozen wg.1[3] g -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_a_shuffle_between_grouped_convs_loses_balanced_bundles() -> None:
    """Every bundle has one channel of each group on either side."""
    text = f"""
        input x: [1,6,4,4]
        param wg: [12,2,1,1]
        param wh: [12,4,1,1]
        param wb: [5,12,1,1]
        g = conv(x, wg) {{groups=3}}
        {SHUFFLE}
        h = conv(s, wh) {{groups=3}}
        y = conv(h, wb)
        return y
    """
    assert groups(text) == snapshot("""\
g1[4] wg.0 wh.1
g2[3x4] wh.0 wb.1
frozen wg.1[2] g -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_two_halves_are_shuffled_at_any_width() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param wb: [4,4,1,1]
        param wc: [5,8,1,1]
        a = conv(x, wa)
        left, right = split(a) {axis=1, sizes=[4,4]}
        b = conv(right, wb)
        j = concat(left, b) {axis=1}
        r = reshape(j) {shape=[1,2,4,4,4]}
        t = transpose(r) {perm=[0,2,1,3,4]}
        s = reshape(t) {shape=[1,8,4,4]}
        y = conv(s, wc)
        return y
    """) == snapshot("""\
g1[4] wa.0 wc.1
g2[4] wa.0 wb.1
g3[4] wb.0 wc.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wc.0[5] 'y' is an output of the graph
""")


def test_a_chain_that_only_permutes_an_axis_becomes_one_node() -> None:
    graph = parse(f"input g: [1,12,4,4]\n{SHUFFLE}\nreturn s")
    assert print_graph(fuse_shuffles(graph)) == snapshot("""\
input g: [1,12,4,4]
s: [1,12,4,4] = shuffle(g) {axis=1, perm=[0,4,8,1,5,9,2,6,10,3,7,11]}
return s
""")


@pytest.mark.parametrize("extra", ["return s, r", "return s, t"])
def test_a_chain_that_is_read_in_between_stays(extra: str) -> None:
    graph = parse(f"input g: [1,12,4,4]\n{SHUFFLE}\n{extra}")
    assert fuse_shuffles(graph) is graph


def test_only_the_permutation_of_one_axis_is_a_shuffle() -> None:
    image = (1, 6, 4)
    assert permutation(image, (1, 2, 3, 4), (0, 2, 1, 3)) == (1, (0, 3, 1, 4, 2, 5))
    assert permutation(image, (1, 2, 3, 4), (0, 1, 2, 3)) is None  # nothing moves
    assert permutation(image, (1, 2, 3, 4), (0, 3, 1, 2)) is None  # pixels move too
    assert permutation(image, (6, 4), (1, 0)) is None  # nothing is split
    assert permutation((4, 6), (2, 2, 2, 3), (1, 0, 3, 2)) is None  # two axes at once
    assert permutation((1, 6, 4), (1, 24), (1, 0)) is None  # channels and pixels are merged
