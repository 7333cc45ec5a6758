"""The couple pass as a whole: units are numbered, filed into groups, and every one is in one."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest
from inline_snapshot import snapshot

from graphprune.inspection import inspect
from graphprune.ir.text import parse
from graphprune.passes.couple import couple
from tests.coupled import coupled, groups
from tests.nets import NETS, build


@pytest.mark.parametrize("name", sorted(NETS))
def test_every_unit_lies_in_exactly_one_group(name: str) -> None:
    coupling = inspect(build(name)).coupling
    filed = np.concatenate([g.units.ravel() for g in coupling] or [np.empty(0, np.int64)])
    assert sorted(filed.tolist()) == list(range(1, coupling.units + 1))
    assert [g.name for g in coupling] == [f"g{i + 1}" for i in range(len(coupling.groups))]
    for group in coupling:
        assert group.members
        for member in group.members:
            axes = {z.axis: z for z in coupling.layers[member.param]}
            assert np.isin(axes[member.axis].ids, group.units).any()


@pytest.mark.parametrize("name", sorted(NETS))
def test_layers_fit_the_values_they_describe(name: str) -> None:
    coupling = inspect(build(name)).coupling
    for value, layers in coupling.layers.items():
        shape = coupling.graph.values[value].known_shape
        axes = [layer.axis for layer in layers]
        assert len(set(axes)) == len(axes)
        for layer in layers:
            assert layer.ids.shape[layer.axis] == shape[layer.axis]
            assert all(n in (1, size) for n, size in zip(layer.ids.shape, shape, strict=True))


def test_coupling_is_the_same_every_time() -> None:
    first, again = (inspect(build("mobilenet")).coupling for _ in range(2))
    assert first.text() == again.text()
    for name, layers in first.layers.items():
        for one, other in zip(layers, again.layers[name], strict=True):
            assert one.axis == other.axis
            assert np.array_equal(one.ids, other.ids)


def test_groups_are_numbered_in_the_order_of_the_network() -> None:
    assert [g.width for g in inspect(build("chain_2d")).coupling] == [8, 6]


def test_units_of_different_multiplicity_are_different_groups() -> None:
    """A channel that is read twice costs twice as much as one that is read once."""
    text = groups("""
        input x: [1,3,4,4]
        param wa: [6,3,1,1]
        param wb: [5,9,1,1]
        a = conv(x, wa)
        left, right = split(a) {axis=1, sizes=[3,3]}
        c = concat(left, right, left) {axis=1}
        y = conv(c, wb)
        return y
    """)
    assert text.startswith("g1[3] wa.0 wb.1\ng2[3] wa.0 wb.1\n")


def test_channels_nobody_reads_or_makes_are_no_units() -> None:
    coupling = coupled("""
        input x: [1,3,4,4]
        param gain: [1,8,1,1]
        param wa: [8,3,1,1]
        a = conv(x, wa)
        g = pointwise.mul(gain, gain)
        return a
    """)
    assert coupling.units == 0
    assert coupling.layers == {}


def test_a_network_without_anything_to_remove() -> None:
    coupling = coupled("input x: [2,3]\ny = pointwise.relu(x)\nreturn y")
    assert (coupling.groups, coupling.frozen, coupling.units) == ((), (), 0)


def test_one_weight_for_two_inputs_ties_them() -> None:
    assert groups("""
        input x: [1,3,4,4]
        input z: [1,3,4,4]
        param w: [8,3,1,1]
        param v: [5,8,1,1]
        a = conv(x, w)
        b = conv(z, w)
        y = conv(a, v)
        t = conv(b, v)
        return y, t
    """) == snapshot("""\
g1[8] w.0 v.1
frozen w.1[3] b -> 'z' is an input of the graph
frozen v.0[5] 't' is an output of the graph
""")


def test_a_computed_kernel_is_a_weight_like_any_other() -> None:
    assert groups("""
        input x: [1,3,4,4]
        param wa: [8,3,1,1]
        param wk: [3,48]
        param wb: [5,6,1,1]
        a = conv(x, wa)
        p = pool(x) {everything=true}
        f = reshape(p) {shape=[1,3]}
        k = contract(f, wk) {equation="ac,cd->ad"}
        w = reshape(k) {shape=[6,8,1,1]}
        c = conv(a, w)
        y = conv(c, wb)
        return y
    """) == snapshot("""\
g1[8] wa.0 wk.1
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wk.0[3] k -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
frozen wb.1[6] y -> conv 'c' has fixed results
""")


def test_channels_of_a_kernels_window_are_frozen() -> None:
    assert groups("""
        input x: [1,3,8]
        param wa: [6,3]
        param wk: [4,1,3]
        param wb: [5,24]
        a = contract(x, wa) {equation="nct,oc->nto"}
        t = transpose(a) {perm=[0,2,1]}
        f = reshape(a) {shape=[8,1,6]}
        c = conv(f, wk) {pads=[1,1]}
        r = reshape(c) {shape=[8,24]}
        y = contract(r, wb) {equation="nc,oc->no"}
        return y
    """) == snapshot("""\
g1[4] wk.0 wb.1
frozen wa.0[6] c -> 'c' slides over the axis
frozen wa.1[3] a -> 'x' is an input of the graph
frozen wb.0[5] 'y' is an output of the graph
""")


HEADS = """
    input x: [2,5]
    param wa: [5,12]
    a = contract(x, wa) {equation="nk,kz->nz"}
    r = reshape(a) {shape=[2,2,6]}
    INDEX
    s = MOVED
    f = reshape(s) {shape=[2,COUNT]}
    param ws: [COUNT,3]
    param wr: [12,3]
    y = contract(f, ws) {equation="nk,kz->nz"}
    z = contract(a, wr) {equation="nk,kz->nz"}
    return y, z
"""


def heads(moved: str, count: int, index: str = "") -> str:
    """The groups of two heads of six channels that are moved before they are read."""
    text = HEADS.replace("MOVED", moved).replace("COUNT", str(count)).replace("INDEX", index)
    text = groups(text)
    return "".join(line for line in text.splitlines(keepends=True) if line.startswith("g"))


def test_a_range_of_every_heads_channels_starts_at_one_place() -> None:
    """As many must be left before the range in every head, and as many in it."""
    assert heads("slice(r) {axes=[2], ends=[5], starts=[2], steps=[1]}", 6) == snapshot("""\
g1[3] wa.1 wr.0
g2[3] wa.1 ws.0 wr.0
""")


def test_one_list_of_indices_for_all_heads_keeps_the_same_of_each() -> None:
    index = "const i: int64[3] = [4, 0, 1]"
    assert heads("gather(r, i) {axis=2}", 6, index) == snapshot("""\
g1[3] wa.1 ws.0 wr.0
g2[3] wa.1 wr.0
""")


def test_padding_of_heads_is_as_long_in_each() -> None:
    assert heads('pad(r) {mode="constant", pads=[0,0,1,0,0,2]}', 18) == snapshot("""\
g1[6] wa.1 ws.0 wr.0
g2[3] ws.0
""")


GROUPED = """
    input x: [1,12,4,4]
    param wa: [12,12,1,1]
    param wb: [12,4,1,1]
    param wc: [3,12,1,1]
    a = conv(x, wa)
    b = conv(a, wb) {groups=3}
    y = conv(b, wc)
    return y
"""


def test_settled_choices_are_not_made_again() -> None:
    """Of three groups of four channels the channels leave more to choose from."""
    graph = parse(dedent(GROUPED))
    assert couple(graph).choices == {"b": 1}
    assert [g.units.shape for g in couple(graph)] == [(3, 4), (3, 4)]
    settled = couple(graph, {"b": 0})
    assert settled.choices == {"b": 0}
    assert [g.units.shape for g in settled] == [(1, 3)]
