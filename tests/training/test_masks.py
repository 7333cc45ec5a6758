"""Layers keep exactly the fraction they are asked to, whatever is removed at a time."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402

from graphprune.errors import BadData  # noqa: E402
from graphprune.training.masks import Masks  # noqa: E402
from tests.frontends.torch.modules import tensor  # noqa: E402


def network() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 6, 2),
        nn.Flatten(),
        nn.Linear(6 * 25, 10),
    )


ELEMENTS = {
    # What there is of each, in the convolution, the transposed one and the linear layer.
    "weight": ({"0.weight": 216, "3.weight": 192, "5.weight": 1500}),
    "kernel": ({"0.weight": 24, "3.weight": 48, "5.weight": 1500}),
    "channel": ({"0.weight": 3, "3.weight": 8, "5.weight": 150}),
    "filter": ({"0.weight": 8, "3.weight": 6, "5.weight": 10}),
}


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(sorted(ELEMENTS)), st.integers(1, 100), st.integers(0, 5))
def test_densities_are_met_to_rounding(granularity: Any, percent: int, seed: int) -> None:
    masks = Masks(network(), dict.fromkeys("035", percent / 100), granularity, seed)
    for name, count in ELEMENTS[granularity].items():
        wanted = max(1, int(Fraction(percent * count, 100) + Fraction(1, 2)))
        assert masks.densities[name] == pytest.approx(wanted / count, abs=1e-12)


def test_halves_are_rounded_up() -> None:
    masks = Masks(network(), {"0": 0.5, "3": 0.25}, "channel")
    assert masks.densities == {"0.weight": pytest.approx(2 / 3), "3.weight": 0.25}


@pytest.mark.parametrize(
    ("granularity", "axes"), [("filter", {0}), ("channel", {1}), ("kernel", {0, 1})]
)
def test_an_element_goes_whole(granularity: Any, axes: set[int]) -> None:
    kept = Masks(network(), {"0": 0.5}, granularity).kept["0.weight"]
    for axis in set(range(4)) - axes:
        assert (kept == kept.select(axis, 0).unsqueeze(axis)).all()


def test_a_transposed_convolution_has_its_filters_along_the_second_axis() -> None:
    kept = Masks(network(), {"3": 0.5}, "filter").kept["3.weight"]
    assert (kept == kept[:1, :, :1, :1]).all()
    assert kept[0, :, 0, 0].sum() == 3


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.AdamW], ids=["sgd", "adamw"])
def test_weights_stay_at_zero_while_the_module_trains(make: Any) -> None:
    module, x = network(), tensor(4, 3, 4, 4)
    options = {"momentum": 0.9, "weight_decay": 0.01} if make is torch.optim.SGD else {}
    optimizer = make(module.parameters(), lr=0.1, **options)
    module(x).square().sum().backward()
    optimizer.step()  # leaves momentum behind for weights that are masked later
    masks = Masks(module, {"0.weight": 0.3, "5.weight": 0.3}, "weight")
    masks.hold(optimizer)
    for _ in range(3):
        optimizer.zero_grad()
        module(x).square().sum().backward()
        optimizer.step()
        for name, kept in masks.kept.items():
            weight = module.get_parameter(name)
            assert (weight[~kept] == 0).all()
            assert (weight[kept] != 0).all()


def test_once_removed_they_train_again() -> None:
    module, x = network(), tensor(4, 3, 4, 4)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    masks = Masks(module, {"5.weight": 0.5})
    masks.hold(optimizer)
    masks.remove()
    module(x).square().sum().backward()
    optimizer.step()
    assert (module[5].weight[~masks.kept["5.weight"]] != 0).any()


def test_what_a_layer_keeps_depends_on_the_seed_alone() -> None:
    first, again, other = (Masks(network(), {"0": 0.5}, seed=seed) for seed in (1, 1, 2))
    assert (first.kept["0.weight"] == again.kept["0.weight"]).all()
    assert (first.kept["0.weight"] != other.kept["0.weight"]).any()


def test_other_layers_and_biases_are_left_alone() -> None:
    module, before = network(), network().state_dict()
    Masks(module, {"0": 0.1})
    changed = [k for k, v in module.state_dict().items() if not torch.equal(v, before[k])]
    assert changed == ["0.weight"]


@pytest.mark.parametrize(
    ("densities", "granularity", "what"),
    [
        ({"7": 0.5}, "weight", "there is no weight '7'"),
        ({"1": 0.5}, "weight", "there is no weight '1'"),
        ({"0": 0.0}, "weight", "the density of '0' cannot be 0.0"),
        ({"0": 1.5}, "weight", "the density of '0' cannot be 1.5"),
        ({"0": 0.5}, "row", "there is no granularity 'row'"),
    ],
)
def test_what_makes_no_sense_is_refused(densities: Any, granularity: Any, what: str) -> None:
    with pytest.raises(BadData, match=what):
        Masks(network(), densities, granularity)
