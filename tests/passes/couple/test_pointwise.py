"""Elementwise operations: labels that meet are equal, extents of one impose nothing."""

from __future__ import annotations

from inline_snapshot import snapshot

from tests.coupled import groups


def test_any_number_of_operands() -> None:
    assert groups("""
        input x: [2,3]
        param wa: [3,8]
        param wb: [3,8]
        param wc: [3,8]
        param wd: [8,4]
        a = contract(x, wa) {equation="nk,kz->nz"}
        b = contract(x, wb) {equation="nk,kz->nz"}
        c = contract(x, wc) {equation="nk,kz->nz"}
        s = pointwise.sum(a, b, c)
        y = contract(s, wd) {equation="nk,kz->nz"}
        return y
    """) == snapshot("""\
g1[8] wa.1 wb.1 wc.1 wd.0
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wb.0[3] b -> 'x' is an input of the graph
frozen wc.0[3] c -> 'x' is an input of the graph
frozen wd.1[4] 'y' is an output of the graph
""")


def test_constants_lie_along_the_channels_they_scale() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param gain: [8,1,1]
        param plane: [1,8,4,4]
        param one: [1]
        param scalar: []
        param wb: [5,8,1,1]
        a = conv(x, wa)
        b = pointwise.mul(a, gain)
        c = pointwise.add(b, plane)
        d = pointwise.mul(c, one)
        e = pointwise.add(d, scalar)
        y = conv(e, wb)
        return y
    """) == snapshot("""\
g1[8] wa.0 gain.0 plane.1 wb.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_a_mask_of_one_channel_leaves_the_channels_free() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param wm: [1,8,1,1]
        param wb: [5,8,1,1]
        a = conv(x, wa)
        m = conv(a, wm)
        g = pointwise.sigmoid(m)
        s = pointwise.mul(a, g)
        y = conv(s, wb)
        return y
    """) == snapshot("""\
g1[8] wa.0 wm.1 wb.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_squeeze_excite_scales_the_channels_it_reads() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param down: [2,8,1,1]
        param up: [8,2,1,1]
        param wb: [5,8,1,1]
        a = conv(x, wa)
        p = pool(a) {everything=true}
        d = conv(p, down)
        r = pointwise.relu(d)
        u = conv(r, up)
        g = pointwise.sigmoid(u)
        s = pointwise.mul(a, g)
        y = conv(s, wb)
        return y
    """) == snapshot("""\
g1[8] wa.0 down.1 up.0 wb.1
g2[2] down.0 up.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_a_fixed_operand_freezes_what_it_meets() -> None:
    assert groups("""
        input x: [1,3,4,4]
        input other: [1,8,1,1]
        param wa: [8,3,1,1]
        param wb: [5,8,1,1]
        a = conv(x, wa)
        s = pointwise.add(a, other)
        y = conv(s, wb)
        return y
    """) == snapshot("""\
frozen wa.0[8] s -> 'other' is an input of the graph
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
frozen wb.1[8] y -> 'other' is an input of the graph
""")


def test_a_constant_mask_chooses_channel_by_channel() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param mask: bool[1,8,1,1]
        param wb: [5,8,1,1]
        a = conv(x, wa)
        t = pointwise.tanh(a)
        s = pointwise.where(mask, a, t)
        y = conv(s, wb)
        return y
    """) == snapshot("""\
g1[8] wa.0 mask.1 wb.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_a_gated_linear_unit_ties_its_halves() -> None:
    assert groups("""
        input x: [2,3]
        param wa: [3,12]
        param wb: [6,4]
        a = contract(x, wa) {equation="nk,kz->nz"}
        value, gate = split(a) {axis=1, sizes=[6,6]}
        g = pointwise.sigmoid(gate)
        s = pointwise.mul(value, g)
        y = contract(s, wb) {equation="nk,kz->nz"}
        return y
    """) == snapshot("""\
g1[6] wa.1 wb.0
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wb.1[4] 'y' is an output of the graph
""")


def test_a_position_table_has_the_channels_of_what_it_is_added_to() -> None:
    assert groups("""
        input x: [2,5,3]
        param wa: [3,8]
        param positions: [1,5,8]
        param wb: [8,4]
        a = contract(x, wa) {equation="btc,cd->btd"}
        s = pointwise.add(a, positions)
        y = contract(s, wb) {equation="btc,cd->btd"}
        return y
    """) == snapshot("""\
g1[8] wa.1 positions.2 wb.0
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wb.1[4] 'y' is an output of the graph
""")


def test_a_table_that_turns_pairs_keeps_pairs() -> None:
    """Rotary positions: the halves of the width are exchanged, so they live and die together."""
    assert groups("""
        input x: [2,5,3]
        param wa: [3,8]
        param cos: [5,8]
        param sin: [5,8]
        param wb: [8,4]
        a = contract(x, wa) {equation="btc,cd->btd"}
        left, right = split(a) {axis=2, sizes=[4,4]}
        n = pointwise.neg(right)
        t = concat(n, left) {axis=2}
        c = pointwise.mul(a, cos)
        s = pointwise.mul(t, sin)
        r = pointwise.add(c, s)
        y = contract(r, wb) {equation="btc,cd->btd"}
        return y
    """) == snapshot("""\
g1[4] wa.1 cos.1 sin.1 wb.0
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wb.1[4] 'y' is an output of the graph
""")


def test_quantisation_per_channel_and_per_tensor() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param q: int8[8,3,1,1]
        param qs: [8]
        param qz: int8[8]
        param s: []
        param z: int8[]
        param wb: [5,8,1,1]
        w = dequantize(q, qs, qz) {axis=0}
        a = conv(x, w)
        i: int8[1,8,4,4] = quantize(a, s, z) {axis=-1}
        d = dequantize(i, s, z) {axis=-1}
        y = conv(d, wb)
        return y
    """) == snapshot("""\
g1[8] q.0 qs.0 qz.0 wb.1
frozen q.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")
