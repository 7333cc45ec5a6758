"""Recurrent cells: a hidden unit has one index in every gate, direction by direction."""

from __future__ import annotations

from inline_snapshot import snapshot

from tests.coupled import coupled, groups

LSTM = """
    input x: [6,2,3]
    param w: [1,20,3]
    param r: [1,20,5]
    param b: [1,40]
    param h: [1,2,5]
    param c: [1,2,5]
    param p: [1,15]
    param wo: [5,4]
    o, last, cell = lstm(x, w, r, b, _, h, c, p) {hidden=5}
    f = reshape(o) {shape=[6,2,5]}
    y = contract(f, wo) {equation="tbc,cd->tbd"}
    return y
"""


def test_an_lstm_ties_its_gates_biases_peepholes_and_states() -> None:
    assert groups(LSTM) == snapshot("""\
g1[5] w.1 r.2 r.1 b.1 h.2 c.2 p.1 wo.0
frozen w.2[3] o -> 'x' is an input of the graph
frozen wo.1[4] 'y' is an output of the graph
""")


def test_the_gate_blocks_repeat_the_hidden_units() -> None:
    layers = {(n, z.axis): z.ids.ravel().tolist() for n in "wrbp" for z in coupled(LSTM).layers[n]}
    units = [1, 2, 3, 4, 5]
    assert layers == {
        ("w", 1): units * 4,
        ("r", 1): units * 4,
        ("r", 2): units,
        ("b", 1): units * 8,
        ("p", 1): units * 3,
    }


def test_both_directions_lose_equally_many() -> None:
    assert groups("""
        input x: [6,2,3]
        param w: [2,15,3]
        param r: [2,15,5]
        param b: [2,30]
        param wo: [10,4]
        o, last = gru(x, w, r, b) {hidden=5}
        t = transpose(o) {perm=[0,2,1,3]}
        f = reshape(t) {shape=[6,2,10]}
        y = contract(f, wo) {equation="tbc,cd->tbd"}
        return y
    """) == snapshot("""\
g1[2x5] w.1 r.2 r.1 b.1 wo.0
frozen w.2[3] o -> 'x' is an input of the graph
frozen wo.1[4] 'y' is an output of the graph
""")


def test_a_stack_reads_what_the_first_cell_writes() -> None:
    assert groups("""
        input x: [6,2,3]
        param w: [1,6,3]
        param r: [1,6,6]
        param w2: [1,5,6]
        param r2: [1,5,5]
        param wo: [5,4]
        o, _ = rnn(x, w, r) {hidden=6}
        f = reshape(o) {shape=[6,2,6]}
        o2, last = rnn(f, w2, r2) {hidden=5}
        l = reshape(last) {shape=[2,5]}
        y = contract(l, wo) {equation="bc,cd->bd"}
        return y
    """) == snapshot("""\
g1[6] w.1 r.2 r.1 w2.2
g2[5] w2.1 r2.2 r2.1 wo.0
frozen w.2[3] o -> 'x' is an input of the graph
frozen wo.1[4] 'y' is an output of the graph
""")


def test_a_state_from_outside_freezes_the_cell() -> None:
    assert groups("""
        input x: [6,2,3]
        input h: [1,2,6]
        param w: [1,6,3]
        param r: [1,6,6]
        o, last = rnn(x, w, r, _, _, h) {hidden=6}
        y = reduce.sum(o) {axes=[3]}
        return y
    """) == snapshot("""\
frozen w.1[6] o -> 'h' is an input of the graph
frozen w.2[3] o -> 'x' is an input of the graph
frozen r.2[6] o -> 'h' is an input of the graph
frozen r.1[6] o -> 'h' is an input of the graph
""")


def test_a_cell_whose_weights_are_put_together_from_parameters() -> None:
    assert groups("""
        input x: [6,2,3]
        param w: [1,6,3]
        param r: [1,6,6]
        v = pointwise.neg(w)
        o, last = rnn(x, v, r) {hidden=6}
        y = reduce.sum(o) {axes=[3]}
        return y
    """) == snapshot("""\
g1[6] w.1 r.2 r.1
frozen w.2[3] o -> 'x' is an input of the graph
""")


def test_a_cell_whose_weights_are_computed_is_left_alone() -> None:
    assert groups("""
        input x: [6,2,3]
        input v: [1,6,3]
        param r: [1,6,6]
        o, last = rnn(x, v, r) {hidden=6}
        y = reduce.sum(o) {axes=[3]}
        return y
    """) == snapshot("""\
frozen r.1[6] o -> 'o' computes its weights
frozen r.2[6] o -> 'o' computes its weights
""")


def test_a_sequence_with_the_batch_first() -> None:
    assert groups("""
        input x: [2,6,3]
        param w: [1,6,3]
        param r: [1,6,6]
        param wo: [6,4]
        o, last = rnn(x, w, r) {hidden=6, layout=1}
        f = reshape(last) {shape=[2,6]}
        y = contract(f, wo) {equation="bc,cd->bd"}
        return y
    """) == snapshot("""\
g1[6] w.1 r.2 r.1 wo.0
frozen w.2[3] o -> 'x' is an input of the graph
frozen wo.1[4] 'y' is an output of the graph
""")
