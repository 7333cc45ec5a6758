"""Norms: exact where every channel is for itself, approximate where statistics span channels."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from tests.coupled import groups

NET = """
    input x: [2,3,4,4]
    param wa: [8,3,1,1]
    param s: [8]
    param b: [8]
    param m: [8]
    param v: [8]
    param wb: [5,8,1,1]
    a = conv(x, wa)
    n = NORM
    y = conv(n, wb)
    return y
"""


def around(norm: str) -> str:
    """The groups of a norm between two convolutions, without the frozen ends."""
    lines = groups(NET.replace("NORM", norm)).splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith("g") or "wa.0" in line)


def test_batch_norm_is_exact() -> None:
    assert around("batch_norm(a, s, b, m, v)") == snapshot("g1[8] wa.0 s.0 b.0 m.0 v.0 wb.1\n")


def test_instance_norm_is_exact() -> None:
    assert around("instance_norm(a, s, b)") == snapshot("g1[8] wa.0 s.0 b.0 wb.1\n")


def test_group_norm_of_small_groups_loses_them_whole() -> None:
    assert around("group_norm(a, s, b) {groups=4}") == snapshot("g1[4] wa.0 s.0 b.0 wb.1\n")


def test_group_norm_of_wide_groups_loses_rows_and_shifts() -> None:
    assert around("group_norm(a, s, b) {groups=2}") == snapshot(
        "g1[2x4] wa.0 s.0 b.0 wb.1 ~ group norm 'n'\n"
    )


def test_local_response_norm_shifts() -> None:
    assert around("lrn(a)") == snapshot("g1[8] wa.0 wb.1 ~ local response norm 'n'\n")


def test_softmax_over_channels_freezes_them() -> None:
    assert around("softmax(a) {axes=[1]}") == snapshot(
        "frozen wa.0[8] n -> softmax 'n' runs along these channels\n"
    )


def test_softmax_over_pixels_leaves_channels_free() -> None:
    assert around("softmax(a) {axes=[3]}") == snapshot("g1[8] wa.0 wb.1\n")


def test_a_running_sum_over_channels_freezes_them() -> None:
    assert around("scan(a) {axes=[1]}") == snapshot(
        "frozen wa.0[8] n -> scan 'n' runs along these channels\n"
    )


def test_layer_norm_over_the_features_shifts() -> None:
    assert groups("""
        input x: [2,5,3]
        param wa: [3,8]
        param s: [8]
        param b: [8]
        param wb: [8,4]
        a = contract(x, wa) {equation="btc,cd->btd"}
        n = layer_norm(a, s, b) {axes=[2]}
        y = contract(n, wb) {equation="btc,cd->btd"}
        return y
    """) == snapshot("""\
g1[8] wa.1 s.0 b.0 wb.0 ~ layer norm 'n'
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wb.1[4] 'y' is an output of the graph
""")


def test_layer_norm_over_time_is_exact_for_features() -> None:
    assert groups("""
        input x: [2,5,3]
        param wa: [3,8]
        param wb: [8,4]
        a = contract(x, wa) {equation="btc,cd->bdt"}
        n = layer_norm(a) {axes=[2]}
        y = contract(n, wb) {equation="bct,cd->btd"}
        return y
    """) == snapshot("""\
g1[8] wa.1 wb.0
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wb.1[4] 'y' is an output of the graph
""")


def test_rms_norm_as_it_is_spelled_by_language_models() -> None:
    assert groups("""
        input x: [2,5,3]
        param wa: [3,8]
        param s: [8]
        param eps: []
        param wb: [8,4]
        a = contract(x, wa) {equation="btc,cd->btd"}
        q = pointwise.mul(a, a)
        m = reduce.mean(q) {axes=[2]}
        e = pointwise.add(m, eps)
        r = pointwise.sqrt(e)
        d = pointwise.div(a, r)
        n = pointwise.mul(d, s)
        y = contract(n, wb) {equation="btc,cd->btd"}
        return y
    """) == snapshot("""\
g1[8] wa.1 s.0 wb.0 ~ mean over channels 'm'
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wb.1[4] 'y' is an output of the graph
""")


@pytest.mark.parametrize("vector", ["s", "b"])
def test_one_vector_is_enough(vector: str) -> None:
    text = around(f"instance_norm(a, {vector}, {vector})")
    assert text == f"g1[8] wa.0 {vector}.0 wb.1\n"
