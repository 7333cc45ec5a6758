"""Recurrent networks, spelled out: products, gates, and the state they share.

A state that depends on itself is stood for by a value with labels of its own, made equal to what
the cell gives. PyTorch keeps one matrix a layer, direction and side, and one hidden size for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.call import Call
from graphprune.frontends.torch.ops.layout import permuted, reshaped
from graphprune.frontends.torch.ops.slicing import sliced
from graphprune.frontends.torch.rules import UnsupportedForm, lowers

_GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
RECURRENT = frozenset(_GATES)


@dataclass(frozen=True)
class _Weights:
    """The tensors of one layer and direction; empty names for what it lacks."""

    inputs: str
    hidden: str
    biases: tuple[str, ...]
    projection: str

    @classmethod
    def of(cls, names: Sequence[str], has_biases: bool) -> _Weights:
        biases = tuple(names[2:4]) if has_biases else ()
        rest = names[2 + len(biases) :]
        return cls(names[0], names[1], biases, rest[0] if rest else "")


@lowers(*_GATES)
def recurrent(call: Call, builder: Builder) -> list[str]:
    """All layers and directions over the whole sequence."""
    if call.given("batch_sizes"):
        raise UnsupportedForm("packed sequences")
    names, biases = call.tensors("params"), call.flag("has_biases")
    directions = 2 if call.flag("bidirectional") else 1
    count = call.integer("num_layers", 1) * directions
    each = len(names) // count
    x, time = call.tensor("input"), 1 if call.flag("batch_first") else 0
    given = _initial(call)
    ends: list[list[str]] = []
    for first in range(0, count, directions):
        outputs = []
        for row in range(first, first + directions):
            weights = _Weights.of(names[row * each : (row + 1) * each], biases)
            states = [_row(builder, name, row, time) for name in given]
            found = _sequence(builder, call.op, x, weights, states, time)
            outputs.append(found[0])
            last = -1 if row == first else 0
            ends.append([_last(builder, name, time, last) for name in found])
        x = outputs[0] if directions == 1 else builder.emit("concat", outputs, axis=2)
    results = len(call.metas) - 1
    return [x, *(stacked(builder, [row[i] for row in ends]) for i in range(results))]


def _initial(call: Call) -> list[str]:
    """The initial states: of an LSTM also those of its cells."""
    given = call.arguments["hx"]
    nodes = given if isinstance(given, list | tuple) else [given]
    return [call.value_of(node) for node in nodes]


def _row(builder: Builder, states: str, row: int, time: int) -> str:
    """The initial state of a layer and direction, laid out to broadcast over the steps."""
    state = sliced(builder, states, 0, row, row + 1)
    return permuted(builder, state, (1, 0, 2)) if time == 1 else state


def _sequence(
    builder: Builder, op: str, x: str, weights: _Weights, given: Sequence[str], time: int
) -> list[str]:
    """One layer in one direction: its results, and an LSTM's cells."""
    size = builder.shape(weights.hidden)[1]
    zero = builder.constant(np.zeros((), np.float32))
    state = builder.emit("expand", [zero], shape=(*builder.shape(x)[:2], size))
    left = builder.emit("contract", [x, weights.inputs], equation="abk,zk->abz")
    # Every step depends on those before: what counts steps is no channel.
    left = builder.emit("scan", [left], axes=(time,))
    start = given[1] if len(given) > 1 else ""
    hidden, cells = _cell(builder, op, left, state, weights, start)
    result = builder.emit("pointwise.state", [hidden, state, given[0]])
    return [result, cells] if op == "lstm" else [result]


def _cell(
    builder: Builder, op: str, left: str, state: str, weights: _Weights, start: str
) -> tuple[str, str]:
    """What a cell gives from the inputs' part and a state: the next state, and an LSTM's cell."""
    lead = "ab"[: builder.rank(state) - 1]
    right = builder.emit("contract", [weights.hidden, state], equation=f"zk,{lead}k->{lead}z")
    total = builder.emit("pointwise.add", [left, right, *weights.biases])
    axis, gates = builder.rank(total) - 1, _GATES[op]
    size = builder.shape(total)[axis] // gates
    blocks = [total]
    if gates > 1:
        blocks = builder.emit_all("split", [total], gates, axis=axis, sizes=(size,) * gates)
    cells = builder.emit("pointwise.cell", [*blocks, *filter(None, [start])])
    hidden = cells
    if weights.projection:
        equation = f"{lead}k,zk->{lead}z"
        hidden = builder.emit("contract", [cells, weights.projection], equation=equation)
    return hidden, cells


def _last(builder: Builder, name: str, time: int, step: int) -> str:
    """The state after the last step, (1, batch, size)."""
    step %= builder.shape(name)[time]
    state = sliced(builder, name, time, step, step + 1)
    return permuted(builder, state, (1, 0, 2)) if time == 1 else state


def stacked(builder: Builder, names: Sequence[str]) -> str:
    """The states of all layers and directions, (rows, batch, size).

    They lie side by side first, so that every row may lose other units, if equally many.
    """
    if len(names) == 1:
        return names[0]
    _, batch, size = builder.shape(names[0])
    flat = builder.emit("concat", names, axis=2)
    rows = reshaped(builder, flat, (1, batch, len(names), size))
    return reshaped(builder, permuted(builder, rows, (2, 0, 1, 3)), (len(names), batch, size))


@lowers("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell")
def cell(call: Call, builder: Builder) -> list[str]:
    """One step."""
    x, op = call.tensor("input"), call.op.removesuffix("_cell")
    states = call.tensors("hx") if op == "lstm" else [call.tensor("hx")]
    biases = tuple(filter(None, (call.tensor("b_ih"), call.tensor("b_hh"))))
    weights = _Weights(call.tensor("w_ih"), call.tensor("w_hh"), biases, "")
    lead = "ab"[: builder.rank(x) - 1]
    left = builder.emit("contract", [x, weights.inputs], equation=f"{lead}k,zk->{lead}z")
    start = states[1] if op == "lstm" else ""
    hidden, cells = _cell(builder, op, left, states[0], weights, start)
    result = builder.emit("pointwise.state", [hidden, states[0]])
    return [result, cells][: len(call.metas)]
