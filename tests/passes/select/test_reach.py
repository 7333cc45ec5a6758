"""Which groups are read by nothing but weights that can be multiplied."""

from __future__ import annotations

from graphprune.ir.text import parse
from graphprune.passes.couple import couple
from graphprune.passes.select import Reach, reach
from tests.networks import concat, depthwise, residual, two_rows


def reached(text: str) -> dict[str, Reach]:
    return dict(reach(couple(parse(text))))


def why(text: str) -> str:
    (found,) = reached(text).values()
    assert found.places == ()
    return found.why


def test_convolutions_and_linear_layers_are_reached_along_the_axis_that_they_sum_over() -> None:
    found = reached("""
        input x: [1,3,4,4]
        param a: [8,3,1,1]
        param b: [6,8,3,3]
        param c: [5,96]
        p: [1,8,4,4] = conv(x, a)
        q: [1,6,4,4] = conv(p, b) {pads=[1,1,1,1]}
        f: [1,96] = reshape(q) {shape=[1,96]}
        y: [1,5] = contract(f, c) {equation="bk,ok->bo"}
        return y
    """)
    assert found == {"g1": Reach((("b", 1),)), "g2": Reach((("c", 1),))}


def test_transposed_convolutions_are_reached_along_their_first_axis() -> None:
    found = reached("""
        input x: [1,3,4,4]
        param a: [8,3,1,1]
        param b: [8,6,2,2]
        p: [1,8,4,4] = conv(x, a)
        y: [1,6,8,8] = conv_transpose(p, b) {strides=[2,2]}
        return y
    """)
    assert found == {"g1": Reach((("b", 0),))}


def test_every_reader_of_a_group_is_reached() -> None:
    coupling = couple(residual().graph)
    places = {name: set(found.places) for name, found in reach(coupling).items()}
    assert places == {
        "g1": {("b.weight", 1), ("d.weight", 1)},
        "g2": {("c.weight", 1)},
    }


def test_depthwise_convolutions_only_pass_channels_on() -> None:
    (found,) = reach(couple(depthwise().graph)).values()
    assert found == Reach((("b.weight", 1),))


def test_one_reader_may_serve_several_groups_and_rows() -> None:
    joined = reach(couple(concat().graph))
    assert [found.places for found in joined.values()] == [(("c.weight", 1),)] * 2
    (rows,) = reach(couple(two_rows().graph)).values()
    assert rows == Reach((("grouped.weight", 1),))


def test_weights_may_be_laid_out_otherwise_before_they_are_read() -> None:
    found = reached("""
        input x: [2,3]
        param a: [8,3]
        param b: [5,8]
        p: [2,8] = contract(x, a) {equation="bk,ok->bo"}
        t: [8,5] = transpose(b) {perm=[1,0]}
        y: [2,5] = contract(p, t) {equation="bk,ko->bo"}
        return y
    """)
    assert found == {"g1": Reach((("b", 1),))}


def test_what_multiplies_activations_has_no_weights() -> None:
    text = why("""
        input x: [2,3]
        param a: [8,3]
        p: [2,8] = contract(x, a) {equation="bk,ok->bo"}
        y: [2,2] = contract(p, p) {equation="bk,ck->bc"}
        return y
    """)
    assert text == "'y' does not multiply them by a parameter of floating point"


def test_sums_have_no_weights() -> None:
    text = why("""
        input x: [2,3]
        param a: [8,3]
        p: [2,8] = contract(x, a) {equation="bk,ok->bo"}
        y: [2] = reduce.sum(p) {axes=[1], keepdims=false}
        return y
    """)
    assert text == "'y' (reduce.sum) sums up its channels without weights to multiply"


def test_norms_over_channels_and_means_look_at_several() -> None:
    text = why("""
        input x: [2,3]
        param a: [8,3]
        param b: [5,8]
        p: [2,8] = contract(x, a) {equation="bk,ok->bo"}
        n: [2,8] = layer_norm(p) {axes=[1]}
        y: [2,5] = contract(n, b) {equation="bk,ok->bo"}
        return y
    """)
    assert text == "layer norm 'n' looks at several of its channels at once"


def test_integer_weights_cannot_be_multiplied() -> None:
    text = why("""
        input x: [1,3,4,4]
        param a: [8,3,1,1]
        param b: int32[6,8,1,1]
        p: [1,8,4,4] = conv(x, a)
        y: [1,6,4,4] = conv(p, b)
        return y
    """)
    assert "does not multiply them by a parameter of floating point" in text


def test_a_table_that_also_makes_the_channels_is_left_alone() -> None:
    found = reached("""
        input x: int64[2,4]
        param table: [16,8]
        e: [2,4,8] = lookup(table, x) {axis=0}
        y: [2,4,16] = contract(e, table) {equation="btk,vk->btv"}
        return y
    """)
    assert [entry.why for entry in found.values()] == [
        "its reader 'table' is shared, or read in another way too"
    ]


def test_weights_of_several_layers_are_multiplied_once_for_all_of_them() -> None:
    found = reached("""
        input x: [1,3,4,4]
        param a: [8,3,1,1]
        param b: [8,8,1,1]
        param c: [4,8,1,1]
        p: [1,8,4,4] = conv(x, a)
        q: [1,8,4,4] = conv(p, b)
        s: [1,8,4,4] = pointwise.add(p, q)
        r: [1,8,4,4] = conv(s, b)
        t: [1,8,4,4] = pointwise.add(s, r)
        y: [1,4,4,4] = conv(t, c)
        return y
    """)
    assert found == {"g1": Reach((("b", 1), ("c", 1)))}


def test_what_nobody_reads_is_left_alone() -> None:
    found = reached("""
        input x: [1,3,4,4]
        param a: [8,3,1,1]
        param b: [4,3,1,1]
        p: [1,8,4,4] = conv(x, a)
        y: [1,4,4,4] = conv(x, b)
        return y
    """)
    assert [entry.why for entry in found.values()] == ["no weights multiply its channels"]
