"""What keeps a group from getting channels that it never had."""

from __future__ import annotations

import pytest

from graphprune.passes.narrow.growable import ungrowable
from tests.coupled import coupled

FREE = {
    "a residual block": """
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param wb: [8,8,1,1]
        param wc: [2,8,1,1]
        a: [1,8,4,4] = conv(x, wa)
        b: [1,8,4,4] = conv(a, wb)
        c: [1,8,4,4] = pointwise.add(a, b)
        y: [1,2,4,4] = conv(c, wc)
        return y
    """,
    "a depthwise convolution": """
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param wb: [8,1,1,1]
        param wc: [2,8,1,1]
        a: [1,8,4,4] = conv(x, wa)
        b: [1,8,4,4] = conv(a, wb) {groups=8}
        y: [1,2,4,4] = conv(b, wc)
        return y
    """,
    "a slice from one channel on": """
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param wc: [2,4,1,1]
        a: [1,8,4,4] = conv(x, wa)
        b: [1,4,4,4] = slice(a) {axes=[1], ends=[8], starts=[4], steps=[1]}
        y: [1,2,4,4] = conv(b, wc)
        return y
    """,
}
TIED = {
    "there is a table of constants along the channels": """
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param t: int64 [1,8,1,1]
        param wc: [2,8,1,1]
        a: [1,8,4,4] = conv(x, wa)
        b: [1,8,4,4] = pointwise.mul(a, t)
        y: [1,2,4,4] = conv(b, wc)
        return y
    """,
    "a slice says of every channel where it goes": """
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param wc: [2,4,1,1]
        a: [1,8,4,4] = conv(x, wa)
        b: [1,4,4,4] = slice(a) {axes=[1], ends=[8], starts=[0], steps=[2]}
        y: [1,2,4,4] = conv(b, wc)
        return y
    """,
    "a shuffle says of every channel where it goes": """
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param wc: [2,8,1,1]
        a: [1,8,4,4] = conv(x, wa)
        b: [1,8,4,4] = shuffle(a) {axis=1, perm=[0,4,1,5,2,6,3,7]}
        y: [1,2,4,4] = conv(b, wc)
        return y
    """,
    "the channels lie in rows": """
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param wb: [8,4,1,1]
        param wc: [2,8,1,1]
        a: [1,8,4,4] = conv(x, wa)
        b: [1,8,4,4] = conv(a, wb) {groups=2}
        y: [1,2,4,4] = conv(b, wc)
        return y
    """,
    "activations are multiplied with one another": """
        input x: [5,3]
        param wq: [3,8]
        param wk: [3,8]
        q: [5,8] = contract(x, wq) {equation="nk,kd->nd"}
        k: [5,8] = contract(x, wk) {equation="nk,kd->nd"}
        y: [5,5] = contract(q, k) {equation="nd,md->nm"}
        return y
    """,
}


@pytest.mark.parametrize("text", FREE.values(), ids=FREE)
def test_most_groups_can_grow(text: str) -> None:
    coupling = coupled(text)
    assert coupling.groups
    assert ungrowable(coupling) == {}


@pytest.mark.parametrize("why", TIED)
def test_some_can_only_shrink(why: str) -> None:
    coupling = coupled(TIED[why])
    found = ungrowable(coupling)
    assert found.keys() == {group.name for group in coupling}
    assert all(reason.startswith(why) for reason in found.values())
