"""The verify pass on small networks of every kind, against itself and against zeroed weights."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import pytest

from graphprune.execution import execute, execute_float64
from graphprune.frontends.onnx import Lowered
from graphprune.inspection import Inspection, inspect
from graphprune.passes.narrow import materialise, narrow
from graphprune.passes.verify import Trial, verify
from graphprune.passes.verify.proof import relative_error
from tests.nets import NETS, Draft, build
from tests.oracle import Widths, consumers_are_weights, drawn, proven, with_zeroed_consumers

ALL = sorted(NETS)
NOTHING_TO_CUT = {"flipped_channels", "covariance"}

# Statistics that the masked original cannot take over survivors.
NOT_EMULATED = {"local_response_norm"}

DOUBLE = (
    "attention", "attention_grouped_query", "attention_packed", "c2f_uneven", "chain_1d",
    "convnext", "densenet", "depth_to_space", "depthwise_multiplier", "einsum",
    "flatten_linear", "gemm", "grouped_by_rows", "layer_norm_spelled_out", "mobilenet",
    "pixel_shuffle", "resnet", "rms_norm", "shufflenet_v1", "shufflenet_v2", "token_mixing",
    "transposed_weight", "zero_padded_shortcut",
)  # fmt: skip


@cache
def model(name: str) -> tuple[onnx.ModelProto, Inspection[Lowered]]:
    proto = build(name)
    return proto, inspect(proto)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("widths", "seed"), [("one", 0), ("some", 1), ("some", 2), ("some", 3)])
def test_narrowed_equals_masked(name: str, widths: Widths, seed: int) -> None:
    _, found = model(name)
    proof = proven(found, drawn(found.coupling, seed, widths), seed=seed)
    assert proof.replay.failures == ()
    assert proof.ok
    assert proof.masked is not None
    assert proof.masked.precision == "native", "small networks need no float64"
    assert proof.masked.worst <= 1e-5
    assert not proof.left_out or name in NOT_EMULATED


READ_BY_WEIGHTS = [name for name in ALL if consumers_are_weights(model(name)[1].coupling)]


def test_most_networks_read_dead_channels_by_weights_only() -> None:
    assert len(READ_BY_WEIGHTS) > len(ALL) / 2


@pytest.mark.parametrize("name", READ_BY_WEIGHTS)
def test_narrowed_equals_the_original_with_zeroed_consumers(name: str) -> None:
    proto, found = model(name)
    alive = drawn(found.coupling, 0, "some")
    feeds = Trial(execute, runs=2).inputs(found.lowered)
    small = execute(materialise(narrow(found.lowered, found.coupling, alive)), feeds)
    large = execute(with_zeroed_consumers(found, proto, alive), feeds)
    for one, other in zip(small, large, strict=True):
        for output, array in other.items():
            assert relative_error(one[output], array) <= 1e-5


@pytest.mark.parametrize("name", sorted(set(ALL) - NOTHING_TO_CUT))
def test_what_is_removed_was_of_some_use(name: str) -> None:
    """Or else none of the comparisons would mean anything."""
    proto, found = model(name)
    alive = drawn(found.coupling, 0, "one")
    feeds = Trial(execute, runs=1).inputs(found.lowered)
    (small,) = execute(materialise(narrow(found.lowered, found.coupling, alive)), feeds)
    (large,) = execute(proto, feeds)
    assert max(relative_error(small[k], large[k]) for k in large) > 1e-3


@pytest.mark.parametrize("name", DOUBLE)
def test_in_float64_the_two_agree_to_nine_digits(name: str) -> None:
    found = inspect(build(name, dtype="float64"))
    alive = drawn(found.coupling, 4)
    narrowed = narrow(found.lowered, found.coupling, alive)
    trial = Trial(execute_float64, runs=1)
    proof = verify(found.lowered, found.coupling, alive, narrowed, trial)
    assert proof.tolerance == 1e-9
    assert proof.masked is not None
    assert proof.masked.worst <= 1e-9
    assert proof.ok


@pytest.mark.parametrize("name", ALL)
def test_nothing_removed_is_the_same_model(name: str) -> None:
    proto, found = model(name)
    narrowed = narrow(found.lowered, found.coupling, found.coupling.everything())
    assert materialise(narrowed) == proto


def small_net(between: str) -> Inspection[Lowered]:
    m = Draft()
    x = m.conv(m.input("x", 1, 3, 4, 4), 8, 3)
    attrs = {"LRN": {"size": 3}, "Relu": {}}
    m.output(m.conv(m.op(between, x, **attrs[between]), 4))
    return inspect(m.proto())


def test_exact_plans_have_no_shift() -> None:
    found = small_net("Relu")
    proof = proven(found, drawn(found.coupling, 0))
    assert (proof.approximate, proof.shift, proof.left_out) == ({}, None, ())


def test_approximate_plans_say_what_their_statistics_move() -> None:
    found = inspect(build("rms_norm"))
    proof = proven(found, drawn(found.coupling, 0, "one"))
    assert list(proof.approximate) == [g.name for g in found.coupling if not g.exact]
    assert proof.shift is not None
    assert proof.shift > 1e-3
    assert proof.ok


def test_statistics_that_cannot_be_emulated_are_left_out_of_the_comparison_and_named() -> None:
    found = small_net("LRN")
    proof = proven(found, drawn(found.coupling, 0, "one"))
    assert proof.left_out == ("g1",)
    assert proof.approximate == {"g1": ("local response norm 'lrn1'",)}
    assert proof.ok


def test_labels_alone_prove_without_an_engine() -> None:
    found = small_net("Relu")
    alive = drawn(found.coupling, 0, "one")
    narrowed = narrow(found.lowered, found.coupling, alive)
    proof = verify(found.lowered, found.coupling, alive, narrowed, None)
    assert (proof.ok, proof.masked, proof.why_not_run) == (True, None, "asked not to run")


def test_outputs_that_are_not_finite_prove_nothing() -> None:
    m = Draft()
    x = m.op("Relu", m.linear(m.input("x", 2, 3), 8))
    m.output(m.op("Log", m.op("Neg", m.op("ReduceSum", m.op("Exp", x), m.ints(1)))))
    found = inspect(m.proto())
    proof = proven(found, drawn(found.coupling, 0, "half"))
    assert proof.masked is None
    assert proof.why_not_run == "no output is finite on these inputs; give others"


def test_given_inputs_come_first_and_random_ones_differ() -> None:
    found = small_net("Relu")
    given = {"x": np.ones((1, 3, 4, 4), np.float32)}
    feeds = Trial(execute, [given], runs=3, seed=5).inputs(found.lowered)
    assert len(feeds) == 4
    assert feeds[0] is given
    assert not np.array_equal(feeds[1]["x"], feeds[2]["x"])
    again = Trial(execute, runs=1, seed=6).inputs(found.lowered)
    assert np.array_equal(again[0]["x"], feeds[2]["x"])


def test_rounding_that_looks_like_a_mistake_is_settled_in_float64() -> None:
    m = Draft()
    x = m.op("Relu", m.linear(m.input("x", 2, 3), 200))
    total = m.op("MatMul", x, m.tensor("ones", np.ones((200, 1))))
    # What is left of two equal numbers is rounding.
    rest = m.op("Sub", total, m.op("ReduceSum", x, m.ints(1)))
    m.output(m.op("Add", rest, m.number(1e-3)))
    found = inspect(m.proto())
    proof = proven(found, drawn(found.coupling, 0), runs=2)
    assert proof.masked is not None
    assert proof.masked.precision == "float64"
    assert proof.masked.rounding is not None
    assert proof.masked.rounding > 1e-5
    assert proof.masked.worst <= proof.tolerance == 1e-9
    assert proof.ok
