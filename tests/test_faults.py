"""Planted mistakes: the proof has to notice every one, in rules as well as in the rewriting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from graphprune.data import Array
from graphprune.frontends.onnx import load, lower
from graphprune.passes.couple import couple
from graphprune.passes.narrow import operators as _operators  # noqa: F401  fills the table
from graphprune.passes.narrow import parameters, shuffle
from graphprune.passes.narrow.cuts import Cut, cuts
from graphprune.passes.narrow.respell import RESPELL, Edit, Respell, SetAttribute, SetOperand, Site
from tests.faults import Mistake, caught, forgets_nothing, forgotten, mistaken, places, shifted
from tests.nets import NETS, build

A_FAMILY = 2  # equalities of every family that are tried in a network


def unnoticed(name: str, mistake: Mistake) -> list[tuple[str, str, int]]:
    """Places at which a mistake changes the units for the worse, and no plan shows it."""
    model, found = build(name), []
    true, tried = couple(lower(load(model)).graph), Counter[str]()
    for family, result, number in places(model):
        tried[family] += 1
        if tried[family] > A_FAMILY:
            continue
        with mistaken((result, number), mistake):
            if forgets_nothing(true, couple(lower(load(model)).graph)):
                continue
            if not any(caught(model, seed) for seed in range(8)):
                found.append((family, result, number))
    return found


@pytest.mark.parametrize("name", sorted(NETS))
def test_an_equality_that_is_left_out_is_noticed(name: str) -> None:
    assert unnoticed(name, forgotten) == []


@pytest.mark.parametrize("name", sorted(NETS))
def test_an_equality_of_the_wrong_channels_is_noticed(name: str) -> None:
    assert unnoticed(name, shifted) == []


def test_without_a_mistake_nothing_is_noticed() -> None:
    for name in ("resnet", "attention", "shufflenet_v1"):
        assert [caught(build(name), seed) for seed in range(3)] == [""] * 3


def respelled(op: str, wrong: Callable[[Array], Array]) -> Respell:
    """The rule of an operator, whose operands come out wrong."""
    true = RESPELL[op]

    def rule(site: Site) -> list[Edit]:
        return [
            SetOperand(e.index, wrong(e.value)) if isinstance(e, SetOperand) else e
            for e in true(site)
        ]

    return rule


@pytest.mark.parametrize(
    ("name", "op"),
    [
        ("gathered_channels", "Gather"),
        ("c2f_uneven", "Split"),
        ("zero_padded_shortcut", "Pad"),
        ("pixel_shuffle", "Reshape"),
        ("attention_split", "Reshape"),
        ("attention_grouped_query", "Expand"),
        ("resized", "Resize"),
    ],
)
def test_reversed_operands_are_noticed(name: str, op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RESPELL, op, respelled(op, np.flip))
    assert {caught(build(name), seed) for seed in range(3)} <= {"replay", "InvalidModel"}


@pytest.mark.parametrize("op", ["Conv", "ConvTranspose", "Split", "Slice", "Reshape", "LSTM"])
def test_what_is_not_respelled_is_noticed(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = {
        "Conv": "depthwise", "ConvTranspose": "transposed_grouped", "Split": "c2f_even",
        "Slice": "slices", "Reshape": "attention", "LSTM": "lstm",
    }[op]  # fmt: skip
    monkeypatch.setitem(RESPELL, op, lambda site: [])
    assert all(caught(build(name), seed) for seed in range(3))


def test_a_slice_that_starts_too_late_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RESPELL, "Slice", respelled("Slice", lambda bounds: bounds + 1))
    assert {caught(build("rolled_channels"), seed) for seed in range(3)} <= {
        "replay",
        "InvalidModel",
    }


def test_a_shuffle_in_the_wrong_order_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    true = shuffle._order
    monkeypatch.setattr(shuffle, "_order", lambda site: true(site)[::-1])
    assert {caught(build("shufflenet_v2"), seed) for seed in range(3)} == {"replay"}


def off_by_one(cut: Cut) -> Cut:
    """The neighbours of what should be kept."""
    return Cut(cut.axis, cut.rows, np.maximum(cut.kept - 1, 0), cut.extents)


@pytest.mark.parametrize(
    "name", ["resnet", "flatten_linear", "attention", "lstm", "grouped_by_rows"]
)
def test_parameters_cut_in_the_wrong_place_are_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels cannot see it: they say what a parameter should hold, numbers what it does."""
    monkeypatch.setattr(parameters, "cuts", lambda *args: tuple(off_by_one(c) for c in cuts(*args)))
    assert {caught(build(name), seed) for seed in range(3)} == {"masked"}


@pytest.mark.parametrize("name", ["resnet", "attention", "shared_bias", "quantised_convs"])
def test_a_parameter_that_stays_whole_is_noticed(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(name)
    for group in couple(lower(load(model)).graph):
        left = group.members[-1].param
        monkeypatch.setattr(
            parameters,
            "cuts",
            lambda c, n, alive, known, left=left: () if n == left else cuts(c, n, alive, known),
        )
        assert caught(model, 0), left


def test_an_attribute_of_the_wrong_size_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RESPELL, "Conv", lambda site: [SetAttribute("group", 1)])
    assert caught(build("grouped_by_rows"), 0)
