"""Small networks whose flow is known, as text."""

from __future__ import annotations

from textwrap import dedent

import numpy as np

from graphprune.ir import Graph
from graphprune.ir.check import check
from graphprune.ir.text import parse
from graphprune.passes.linearise import weights
from graphprune.terms import Floats

CHAIN = """
    input x: [1,3,5,5]
    param a: [4,3,3,3]
    param b: [5,4,1,1]
    param c: [2,125]
    p: [1,4,5,5] = conv(x, a) {pads=[1,1,1,1]}
    q: [1,4,5,5] = pointwise.relu(p)
    r: [1,5,5,5] = conv(q, b)
    s: [1,125] = reshape(r) {shape=[1,125]}
    y: [1,2] = contract(s, c) {equation="ak,zk->az"}
    return y
"""
RESIDUAL = """
    input x: [1,3,5,5]
    param a: [4,3,3,3]
    param b: [6,4,3,3]
    param c: [4,6,1,1]
    param d: [2,4]
    p: [1,4,5,5] = conv(x, a) {pads=[1,1,1,1]}
    q: [1,6,5,5] = conv(p, b) {pads=[1,1,1,1]}
    r: [1,4,5,5] = conv(q, c)
    s: [1,4,5,5] = pointwise.add(p, r)
    t: [1,4] = reduce.mean(s) {axes=[2,3], keepdims=false}
    y: [1,2] = contract(t, d) {equation="ak,zk->az"}
    return y
"""
DEPTHWISE = """
    input x: [1,3,5,5]
    param a: [6,3,1,1]
    param b: [6,1,3,3]
    param c: [2,6,1,1]
    p: [1,6,5,5] = conv(x, a)
    q: [1,6,3,3] = conv(p, b) {groups=6, pads=[1,1,1,1], strides=[2,2]}
    y: [1,2,3,3] = conv(q, c)
    return y
"""
CONCAT = """
    input x: [1,3,4,4]
    param a: [4,3,1,1]
    param b: [5,4,3,3]
    param c: [2,9,1,1]
    p: [1,4,4,4] = conv(x, a)
    q: [1,5,4,4] = conv(p, b) {pads=[1,1,1,1]}
    r: [1,9,4,4] = concat(p, q) {axis=1}
    s: [1,9,2,2] = pool(r) {kernel=[2,2], strides=[2,2]}
    y: [1,2,2,2] = conv(s, c)
    return y
"""
GATED = """
    input x: [1,3,4,4]
    param a: [6,3,1,1]
    param s: [2,6,1,1]
    param e: [6,2,1,1]
    param b: [2,6,1,1]
    p: [1,6,4,4] = conv(x, a)
    m: [1,6,1,1] = reduce.mean(p) {axes=[2,3]}
    q: [1,2,1,1] = conv(m, s)
    u: [1,6,1,1] = conv(q, e)
    g: [1,6,1,1] = pointwise.sigmoid(u)
    t: [1,6,4,4] = pointwise.mul(p, g)
    y: [1,2,4,4] = conv(t, b)
    return y
"""
ATTENTION = """
    input x: [1,4,3]
    param q: [3,3]
    param k: [3,3]
    param v: [3,3]
    param o: [2,3]
    a: [1,4,3] = contract(x, q) {equation="atk,zk->atz"}
    b: [1,4,3] = contract(x, k) {equation="atk,zk->atz"}
    c: [1,4,3] = contract(x, v) {equation="atk,zk->atz"}
    d: [1,4,4] = contract(a, b) {equation="atk,auk->atu"}
    e: [1,4,4] = softmax(d) {axes=[2]}
    f: [1,4,3] = contract(e, c) {equation="atu,auk->atk"}
    y: [1,4,2] = contract(f, o) {equation="atk,zk->atz"}
    return y
"""


def graph_of(text: str) -> Graph:
    """A checked graph."""
    graph = parse(dedent(text))
    check(graph)
    return graph


def drawn(graph: Graph, seed: int = 0) -> dict[str, Floats]:
    """Positive weights for every layer, by the parameter's name."""
    rng = np.random.default_rng(seed)
    names = dict.fromkeys(weight.param for weight in weights(graph))
    return {name: rng.random(graph.values[name].known_shape) + 0.1 for name in names}
