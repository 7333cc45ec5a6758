"""Reductions, pools, resizing."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from tests.coupled import coupled, groups

NET = """
    input x: [1,3,4,4]
    param wa: [8,3,1,1]
    a = conv(x, wa)
    y = REDUCED
    return y
"""


def reduced(how: str) -> str:
    """What becomes of 8 channels that are reduced."""
    lines = groups(NET.replace("REDUCED", how)).splitlines(keepends=True)
    return "".join(line for line in lines if " wa.1[" not in line)


@pytest.mark.parametrize("kind", ["sum", "l1", "l2", "sumsquare"])
def test_sums_over_channels_are_exact(kind: str) -> None:
    assert reduced(f"reduce.{kind}(a) {{axes=[1]}}") == "g1[8] wa.0\n"


def test_means_over_channels_are_taken_over_the_survivors() -> None:
    assert reduced("reduce.mean(a) {axes=[1]}") == snapshot("g1[8] wa.0 ~ mean over channels 'y'\n")
    mask = coupled(NET.replace("REDUCED", "reduce.mean(a) {axes=[1]}")).masks[-1]
    assert (mask.node, mask.operand, mask.axis, mask.mean) == (1, 0, 1, True)


@pytest.mark.parametrize("kind", ["max", "min", "prod", "logsumexp", "arg"])
def test_other_reductions_over_channels_freeze_them(kind: str) -> None:
    assert reduced(f"reduce.{kind}(a) {{axes=[1]}}") == (
        f"frozen wa.0[8] y -> reduce.{kind} 'y' runs over these channels\n"
    )


@pytest.mark.parametrize("keep", ["true", "false"])
def test_reductions_over_pixels_leave_channels_to_the_next_layer(keep: str) -> None:
    text = NET.replace("y = REDUCED", f"m = reduce.max(a) {{axes=[2,3], keepdims={keep}}}").replace(
        "return",
        """param wb: [8,4]
    f = reshape(m) {shape=[1,8]}
    y = contract(f, wb) {equation="nk,kz->nz"}
    return""",
    )
    assert coupled(text).text().startswith("g1[8] wa.0 wb.0\n")


@pytest.mark.parametrize(
    "between",
    [
        "pool(a) {kernel=[2,2], strides=[2,2]}",
        "pool(a) {everything=true}",
        "resize(a) {shape=[1,8,8,8]}",
    ],
)
def test_pools_and_resizes_keep_channels(between: str) -> None:
    text = NET.replace(
        "y = REDUCED", f"p = {between}\n    param wb: [5,8,1,1]\n    y = conv(p, wb)"
    )
    assert coupled(text).text().startswith("g1[8] wa.0 wb.1\n")


def test_resized_channels_are_frozen() -> None:
    assert reduced("resize(a) {shape=[1,16,4,4]}") == snapshot(
        "frozen wa.0[8] y -> 'y' resizes the axis\n"
    )


def test_windows_over_a_labelled_axis_freeze_it() -> None:
    assert groups("""
        input x: [1,5,3]
        param wa: [3,8]
        a = contract(x, wa) {equation="btc,cd->btd"}
        y = pool(a) {kernel=[2], strides=[2]}
        return y
    """) == snapshot("""\
frozen wa.0[3] a -> 'x' is an input of the graph
frozen wa.1[8] y -> 'y' slides over the axis
""")
