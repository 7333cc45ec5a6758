"""Matrix products: what is summed is equal on both sides, what is left passes."""

from __future__ import annotations

from inline_snapshot import snapshot

from tests.coupled import groups


def test_linear_layers_in_either_layout() -> None:
    assert groups("""
        input x: [2,3]
        param wa: [3,8]
        param wb: [6,8]
        param wc: [6,4]
        a = contract(x, wa) {equation="nk,kz->nz"}
        b = contract(a, wb) {equation="nk,zk->nz"}
        y = contract(b, wc) {equation="nk,kz->nz"}
        return y
    """) == snapshot("""\
g1[8] wa.1 wb.1
g2[6] wb.0 wc.0
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wc.1[4] 'y' is an output of the graph
""")


def test_a_transposed_first_operand() -> None:
    assert groups("""
        input x: [3,2]
        param wa: [8,3]
        param wb: [8,4]
        a = contract(wa, x) {equation="ok,kn->on"}
        y = contract(a, wb) {equation="kn,ko->no"}
        return y
    """) == snapshot("""\
g1[8] wa.0 wb.0
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.1[4] 'y' is an output of the graph
""")


def test_a_batch_of_matrices_shares_its_rows() -> None:
    assert groups("""
        input x: [2,5,3]
        param wa: [3,8]
        param table: [2,8,6]
        param wb: [6,4]
        a = contract(x, wa) {equation="ayk,kz->ayz"}
        b = contract(a, table) {equation="ayk,akz->ayz"}
        y = contract(b, wb) {equation="ayk,kz->ayz"}
        return y
    """) == snapshot("""\
g1[8] wa.1 table.1
g2[6] table.2 wb.0
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wb.1[4] 'y' is an output of the graph
""")


def test_a_removable_batch_index_is_removed_from_both() -> None:
    assert groups("""
        input x: [2,3]
        param wa: [3,6]
        param table: [6,5,7]
        param wb: [6,7,4]
        a = contract(x, wa) {equation="nk,kb->bn"}
        e = reshape(a) {shape=[6,2,1]}
        b = contract(e, table) {equation="bni,bjz->bnz"}
        y = contract(b, wb) {equation="bnz,bzo->no"}
        return y
    """) == snapshot("""\
g1[6] wa.1 table.0 wb.0
g2[5] table.1
g3[7] table.2 wb.1
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wb.2[4] 'y' is an output of the graph
""")


def test_einsum_over_heads_and_their_widths_removes_either() -> None:
    assert groups("""
        input x: [2,4,3]
        param wa: [3,6,5]
        param wb: [6,5,8]
        a = contract(x, wa) {equation="btc,chd->bthd"}
        y = contract(a, wb) {equation="bthd,hdo->bto"}
        return y
    """) == snapshot("""\
g1[6] wa.1 wb.0
g2[5] wa.2 wb.1
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wb.2[8] 'y' is an output of the graph
""")


def test_a_product_with_itself_is_summed_over_the_same_channels() -> None:
    assert groups("""
        input x: [2,4,3]
        param wa: [3,8]
        a = contract(x, wa) {equation="btc,cd->btd"}
        y = contract(a, a) {equation="btd,bsd->bts"}
        return y
    """) == snapshot("""\
g1[8] wa.1
frozen wa.0[3] a -> 'x' is an input of the graph
""")


def test_what_meets_a_fixed_operand_is_frozen_by_its_name() -> None:
    assert groups("""
        input x: [2,3]
        input other: [2,8]
        param wa: [3,8]
        a = contract(x, wa) {equation="nk,kz->nz"}
        y = contract(a, other) {equation="nk,mk->nm"}
        return y
    """) == snapshot("""\
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wa.1[8] y -> 'other' is an input of the graph
""")


ATTENTION = """
    input x: [2,4,8]
    param wq: [8,12]
    param wk: [8,12]
    param wv: [8,12]
    param wo: [12,8]
    q = contract(x, wq) {equation="btc,cd->btd"}
    k = contract(x, wk) {equation="btc,cd->btd"}
    v = contract(x, wv) {equation="btc,cd->btd"}
    q1 = reshape(q) {shape=[2,4,3,4]}
    k1 = reshape(k) {shape=[2,4,3,4]}
    v1 = reshape(v) {shape=[2,4,3,4]}
    q2 = transpose(q1) {perm=[0,2,1,3]}
    k2 = transpose(k1) {perm=[0,2,3,1]}
    v2 = transpose(v1) {perm=[0,2,1,3]}
    s = contract(q2, k2) {equation="abyk,abkz->abyz"}
    p = softmax(s) {axes=[3]}
    o = contract(p, v2) {equation="abyk,abkz->abyz"}
    o1 = transpose(o) {perm=[0,2,1,3]}
    o2 = reshape(o1) {shape=[2,4,12]}
    y = contract(o2, wo) {equation="btc,cd->btd"}
    return y
"""


def test_attention_loses_equally_many_channels_of_every_head() -> None:
    assert groups(ATTENTION) == snapshot("""\
g1[3x4] wq.1 wk.1
g2[3x4] wv.1 wo.0
frozen wq.0[8] q -> 'x' is an input of the graph
frozen wk.0[8] k -> 'x' is an input of the graph
frozen wv.0[8] v -> 'x' is an input of the graph
frozen wo.1[8] 'y' is an output of the graph
""")


def test_more_heads_than_channels_of_one_are_removed_as_heads() -> None:
    many = ATTENTION.replace("[2,4,3,4]", "[2,4,6,2]")
    assert groups(many) == snapshot("""\
g1[6] wq.1 wk.1 wv.1 wo.0
frozen wq.0[8] q -> 'x' is an input of the graph
frozen wk.0[8] k -> 'x' is an input of the graph
frozen wv.0[8] v -> 'x' is an input of the graph
frozen wo.1[8] 'y' is an output of the graph
""")


def test_a_learned_scale_a_head_keeps_the_heads() -> None:
    scaled = ATTENTION.replace("softmax(s)", "softmax(z)").replace(
        "    p =", "    param t: [3,1,1]\n    z = pointwise.mul(s, t)\n    p ="
    )
    assert groups(scaled) == snapshot("""\
g1[3x4] wq.1 wk.1
g2[3x4] wv.1 wo.0
frozen wq.0[8] q -> 'x' is an input of the graph
frozen wk.0[8] k -> 'x' is an input of the graph
frozen wv.0[8] v -> 'x' is an input of the graph
frozen wo.1[8] 'y' is an output of the graph
""")


def test_packed_projections_lose_the_same_channels_of_queries_and_keys() -> None:
    assert groups("""
        input x: [2,4,8]
        param w: [8,36]
        param wo: [12,8]
        a = contract(x, w) {equation="btc,cd->btd"}
        r = reshape(a) {shape=[2,4,3,3,4]}
        t = transpose(r) {perm=[2,0,3,1,4]}
        q1, k1, v1 = split(t) {axis=0, sizes=[1,1,1]}
        q = reshape(q1) {shape=[2,3,4,4]}
        k = reshape(k1) {shape=[2,3,4,4]}
        v = reshape(v1) {shape=[2,3,4,4]}
        s = contract(q, k) {equation="abyk,abzk->abyz"}
        p = softmax(s) {axes=[3]}
        o = contract(p, v) {equation="abyk,abkz->abyz"}
        o1 = transpose(o) {perm=[0,2,1,3]}
        o2 = reshape(o1) {shape=[2,4,12]}
        y = contract(o2, wo) {equation="btc,cd->btd"}
        return y
    """) == snapshot("""\
g1[6x4] w.1 wo.0
frozen w.0[8] a -> 'x' is an input of the graph
frozen wo.1[8] 'y' is an output of the graph
""")


def test_grouped_queries_share_the_channels_of_their_key() -> None:
    assert groups("""
        input x: [2,4,8]
        param wq: [8,16]
        param wk: [8,8]
        q = contract(x, wq) {equation="btc,cd->btd"}
        k = contract(x, wk) {equation="btc,cd->btd"}
        q1 = reshape(q) {shape=[2,4,4,4]}
        q2 = transpose(q1) {perm=[0,2,1,3]}
        k1 = reshape(k) {shape=[2,4,2,1,4]}
        k2 = transpose(k1) {perm=[0,2,3,1,4]}
        k3 = expand(k2) {shape=[2,2,2,4,4]}
        k4 = reshape(k3) {shape=[2,4,4,4]}
        y = contract(q2, k4) {equation="abyk,abzk->abyz"}
        return y
    """) == snapshot("""\
g1[2x4] wq.1 wk.1
frozen wq.0[8] q -> 'x' is an input of the graph
frozen wk.0[8] k -> 'x' is an input of the graph
""")


def test_token_mixing_is_a_layer_over_the_other_axis() -> None:
    assert groups("""
        input x: [2,6,3]
        param wa: [3,8]
        param wb: [6,10]
        param wc: [10,6]
        param wd: [8,4]
        a = contract(x, wa) {equation="btc,cd->btd"}
        t = transpose(a) {perm=[0,2,1]}
        b = contract(t, wb) {equation="btc,cd->btd"}
        c = contract(b, wc) {equation="btc,cd->btd"}
        u = transpose(c) {perm=[0,2,1]}
        s = pointwise.add(a, u)
        y = contract(s, wd) {equation="btc,cd->btd"}
        return y
    """) == snapshot("""\
g1[8] wa.1 wd.0
g2[10] wb.1 wc.0
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wb.0[6] b -> 'x' is an input of the graph
frozen wc.1[6] s -> 'x' is an input of the graph
frozen wd.1[4] 'y' is an output of the graph
""")
