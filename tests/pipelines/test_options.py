"""Options: what users say in, what plans record out; what cannot be given is refused early."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from graphprune.errors import BadData
from graphprune.passes.allocate import POLICIES
from graphprune.passes.allocate.global_ import Global
from graphprune.pipelines.options import Options


@dataclass(frozen=True)
class Greedy:
    """A policy that looks at data and gradients."""

    needs = frozenset({"data", "gradients"})

    share: float = 0.5


@pytest.fixture
def greedy(monkeypatch: pytest.MonkeyPatch) -> Options:
    monkeypatch.setitem(POLICIES._classes, "greedy", Greedy)
    return Options.of(allocation="greedy:share=0.1")


def test_the_defaults_are_those_of_the_fields() -> None:
    assert Options.of() == Options()
    assert Options().decided_by == {
        "criterion": "l2",
        "allocation": "uniform",
        "selection": "top",
        "round_to": 1,
    }


def test_plans_record_specs() -> None:
    options = Options.of(method="pfp:delta=1e-10", allocation=Global(min_keep=0.1), round_to=8)
    assert options.decided_by == {
        "method": "pfp:delta=1e-10",
        "criterion": "pfp:delta=1e-10",
        "allocation": "global:min_keep=0.1",
        "selection": "top",
        "round_to": 8,
    }
    assert replace(options, seed=3).decided_by == options.decided_by


def test_other_arguments_are_fields() -> None:
    assert Options.of(criterion="l1", keep=["a"], seed=2) == Options(
        criterion="l1", keep=["a"], seed=2
    )
    with pytest.raises(TypeError, match="rounding"):
        Options.of(rounding=8)


def test_passes_that_need_more_than_there_is_are_refused(greedy: Options) -> None:
    assert greedy.needs("data") == greedy.needs("gradients") == "allocation 'greedy:share=0.1'"
    with pytest.raises(BadData) as caught:
        greedy.require({"data": "give data", "gradients": "give a loss"})
    assert str(caught.value) == (
        "BadData: allocation 'greedy:share=0.1' needs data\n"
        "  why:   it looks at what the model does, not at its weights alone\n"
        "  fix:   give data"
    )
    with pytest.raises(BadData) as caught:
        greedy.require({"gradients": "give a loss"})
    assert str(caught.value) == (
        "BadData: allocation 'greedy:share=0.1' needs a loss\n"
        "  why:   it looks at the gradients of one\n"
        "  fix:   give a loss"
    )
    greedy.require({})


def test_passes_that_look_at_weights_alone_need_nothing() -> None:
    options = Options.of(method="l1")
    assert options.needs("data") is options.needs("gradients") is None
    options.require({"data": "give data", "gradients": "give a loss"})
