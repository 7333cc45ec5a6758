"""Convolutions: filters are channels, columns read them, groups live and die or lose alike."""

from __future__ import annotations

from inline_snapshot import snapshot

from tests.coupled import groups


def test_a_chain_has_a_group_between_two_convs() -> None:
    assert groups("""
        input x: [1,3,8,8]
        param wa: [16,3,3,3]
        param ba: [16]
        param wb: [5,16,3,3]
        a = conv(x, wa, ba)
        y = conv(a, wb)
        return y
    """) == snapshot("""\
g1[16] wa.0 ba.0 wb.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_any_number_of_spatial_axes() -> None:
    assert groups("""
        input x: [1,2,4,4,4]
        param wa: [8,2,3,3,3]
        param wb: [4,8,16]
        a = conv(x, wa) {pads=[0,0,1,0,0,1], strides=[1,1,1]}
        r = reshape(a) {shape=[1,8,16]}
        y = conv(r, wb)
        return y
    """) == snapshot("""\
g1[8] wa.0 wb.1
frozen wa.1[2] a -> 'x' is an input of the graph
frozen wb.0[4] 'y' is an output of the graph
""")


def test_a_residual_sum_joins_its_producers() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [16,3,1,1]
        param wb: [12,16,1,1]
        param wc: [16,12,1,1]
        param wd: [5,16,1,1]
        a = conv(x, wa)
        b = conv(a, wb)
        c = conv(b, wc)
        s = pointwise.add(a, c)
        y = conv(s, wd)
        return y
    """) == snapshot("""\
g1[16] wa.0 wb.1 wc.0 wd.1
g2[12] wb.0 wc.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wd.0[5] 'y' is an output of the graph
""")


def test_depthwise_channels_pass_through() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param dw: [8,1,3,3]
        param wb: [5,8,1,1]
        a = conv(x, wa)
        d = conv(a, dw) {groups=8}
        y = conv(d, wb)
        return y
    """) == snapshot("""\
g1[8] wa.0 dw.0 wb.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_a_depthwise_multiplier_makes_blocks_that_live_and_die_with_their_channel() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [4,3,1,1]
        param dw: [12,1,3,3]
        param wb: [5,12,1,1]
        a = conv(x, wa)
        d = conv(a, dw) {groups=4}
        y = conv(d, wb)
        return y
    """) == snapshot("""\
g1[4] wa.0 dw.0 wb.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_a_depthwise_multiplier_on_the_image_loses_equally_many_filters_a_channel() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param dw: [12,1,3,3]
        param wb: [5,12,1,1]
        d = conv(x, dw) {groups=3}
        y = conv(d, wb)
        return y
    """) == snapshot("""\
g1[3x4] dw.0 wb.1
frozen wb.0[5] 'y' is an output of the graph
""")


def test_plain_depthwise_on_the_image_is_frozen() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param dw: [3,1,3,3]
        param wb: [5,3,1,1]
        d = conv(x, dw) {groups=3}
        y = conv(d, wb)
        return y
    """) == snapshot("""\
frozen dw.0[3] d -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
frozen wb.1[3] y -> d -> 'x' is an input of the graph
""")


def test_many_small_groups_live_and_die_whole() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [16,3,1,1]
        param wg: [16,2,3,3]
        param wb: [5,16,1,1]
        a = conv(x, wa)
        g = conv(a, wg) {groups=8}
        y = conv(g, wb)
        return y
    """) == snapshot("""\
g1[8] wa.0 wg.0 wb.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_few_wide_groups_lose_equally_many_channels_each() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [16,3,1,1]
        param wg: [12,8,3,3]
        param wb: [5,12,1,1]
        a = conv(x, wa)
        g = conv(a, wg) {groups=2}
        y = conv(g, wb)
        return y
    """) == snapshot("""\
g1[2x8] wa.0 wg.1
g2[2x6] wg.0 wb.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_grouped_filters_on_the_image_still_lose_rows() -> None:
    assert groups("""
        input x: [1,6,4,4]
        param wg: [8,3,3,3]
        param wb: [5,8,1,1]
        g = conv(x, wg) {groups=2}
        y = conv(g, wb)
        return y
    """) == snapshot("""\
g1[2x4] wg.0 wb.1
frozen wg.1[3] g -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_groups_that_do_not_divide_each_other_leave_their_common_bundles() -> None:
    assert groups("""
        input x: [1,6,4,4]
        param wg: [12,3,1,1]
        param wh: [12,4,1,1]
        param wb: [5,12,1,1]
        g = conv(x, wg) {groups=2}
        h = conv(g, wh) {groups=3}
        y = conv(h, wb)
        return y
    """) == snapshot("""\
g1[2] wg.0 wh.1
g2[3x4] wh.0 wb.1
frozen wg.1[3] g -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_transposed_convs_exchange_the_axes() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param up: [8,6,2,2]
        param b: [6]
        param wb: [5,6,1,1]
        a = conv(x, wa)
        u = conv_transpose(a, up, b) {strides=[2,2]}
        y = conv(u, wb)
        return y
    """) == snapshot("""\
g1[8] wa.0 up.0
g2[6] up.1 b.0 wb.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_grouped_transposed_convs_lose_whole_groups() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param up: [8,3,2,2]
        param b: [12]
        param wb: [5,12,1,1]
        a = conv(x, wa)
        u = conv_transpose(a, up, b) {strides=[2,2], groups=4}
        y = conv(u, wb)
        return y
    """) == snapshot("""\
g1[4] wa.0 up.0 b.0 wb.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


def test_depthwise_transposed_convs_pass_their_channels() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param up: [8,1,2,2]
        param wb: [5,8,1,1]
        a = conv(x, wa)
        u = conv_transpose(a, up) {strides=[2,2], groups=8}
        y = conv(u, wb)
        return y
    """) == snapshot("""\
g1[8] wa.0 up.0 wb.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")
