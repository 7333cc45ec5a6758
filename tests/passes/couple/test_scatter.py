"""Assignment to a block: what is written lives and dies with what it replaces."""

from __future__ import annotations

from inline_snapshot import snapshot

from tests.coupled import groups


def test_a_block_of_channels_goes_with_what_replaces_it() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param wb: [2,3,1,1]
        param wc: [5,8,1,1]
        a = conv(x, wa)
        b = conv(x, wb)
        m = scatter(a, b) {starts=[0,3,0,0]}
        y = conv(m, wc)
        return y
    """) == snapshot("""\
g1[6] wa.0 wc.1
g2[2] wa.0 wb.0 wc.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.1[3] b -> 'x' is an input of the graph
frozen wc.0[5] 'y' is an output of the graph
""")


def test_a_block_along_another_axis_has_the_same_channels() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param wb: [8,3,1,1]
        param wc: [5,8,1,1]
        a = conv(x, wa)
        b = conv(x, wb)
        p = slice(b) {axes=[2], ends=[2], starts=[0], steps=[1]}
        m = scatter(a, p) {starts=[0,0,1,0]}
        y = conv(m, wc)
        return y
    """) == snapshot("""\
g1[8] wa.0 wb.0 wc.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.1[3] b -> 'x' is an input of the graph
frozen wc.0[5] 'y' is an output of the graph
""")


def test_what_is_written_into_an_input_stays() -> None:
    assert groups("""
        input x: [1,3,4,4]
        input state: [1,8,6,4]
        param wa: [8,3,1,1]
        param wb: [5,8,1,1]
        a = conv(x, wa)
        m = scatter(state, a) {starts=[0,0,2,0]}
        y = conv(m, wb)
        return y
    """) == snapshot("""\
frozen wa.0[8] m -> 'state' is an input of the graph
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
frozen wb.1[8] y -> 'state' is an input of the graph
""")
