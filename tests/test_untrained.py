"""Networks get their widths before they are trained."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402

import graphprune  # noqa: E402
from graphprune.errors import BadData, InfeasibleBudget  # noqa: E402
from graphprune.module_result import ModuleResult  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402

IMAGE = tensor(2, 3, 16, 16)


class Inverted(nn.Module):  # type: ignore[misc]
    """An inverted residual of MobileNetV2: wide, depthwise, narrow, with or without a gate."""

    def __init__(self, wide: int, made: int, stride: int, expand: int, gated: bool) -> None:
        super().__init__()
        inner = wide * expand
        self.up = nn.Sequential(nn.Conv2d(wide, inner, 1, bias=False), nn.BatchNorm2d(inner))
        self.deep = nn.Sequential(
            nn.Conv2d(inner, inner, 3, stride, 1, groups=inner, bias=False), nn.BatchNorm2d(inner)
        )
        self.gate = (
            nn.Sequential(
                nn.AdaptiveAvgPool2d(1),
                nn.Conv2d(inner, 4, 1),
                nn.ReLU(),
                nn.Conv2d(4, inner, 1),
                nn.Sigmoid(),
            )
            if gated
            else None
        )
        self.down = nn.Sequential(nn.Conv2d(inner, made, 1, bias=False), nn.BatchNorm2d(made))
        self.adds = stride == 1 and wide == made

    def forward(self, x: Any) -> Any:
        y = nn.functional.relu6(self.deep(nn.functional.relu6(self.up(x))))
        y = self.down(y if self.gate is None else y * self.gate(y))
        return x + y if self.adds else y


def mobile(gated: bool = False) -> Any:
    """MobileNetV2 for small images, a few blocks of it; with gates, as EfficientNet has them."""
    torch.manual_seed(0)
    blocks = [(16, 24, 2), (24, 24, 1), (24, 40, 2), (40, 40, 1)]
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU6(),
        *(Inverted(wide, made, stride, 4, gated) for wide, made, stride in blocks),
        nn.Conv2d(40, 640, 1, bias=False),
        nn.BatchNorm2d(640),
        nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(640, 10),
    )


class Basic(nn.Module):  # type: ignore[misc]
    """A block of ResNet-20."""

    def __init__(self, wide: int, made: int) -> None:
        super().__init__()
        stride = 1 if wide == made else 2
        self.a = nn.Conv2d(wide, made, 3, stride, 1, bias=False)
        self.na = nn.BatchNorm2d(made)
        self.b = nn.Conv2d(made, made, 3, 1, 1, bias=False)
        self.nb = nn.BatchNorm2d(made)
        self.short = nn.Identity() if stride == 1 else nn.Conv2d(wide, made, 1, 2, bias=False)

    def forward(self, x: Any) -> Any:
        y = self.nb(self.b(torch.relu(self.na(self.a(x)))))
        return torch.relu(y + self.short(x))


def resnet20() -> Any:
    torch.manual_seed(0)
    widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
    blocks = [Basic(a, b) for a, b in pairwise(widths)]
    stem = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*stem, *blocks, *head)


NETWORKS = {
    "mobilenet v2": mobile,
    "with gates": lambda: mobile(gated=True),
    "resnet-20": resnet20,
}


def assert_within(result: ModuleResult, params: float, macs: float = 1.0) -> None:
    before, after = result.cost
    assert after.params <= params * before.params
    assert after.macs <= macs * before.macs
    held = (t for t in result.model.state_dict().values() if t.is_floating_point())
    assert sum(t.numel() for t in held) == after.params


def assert_learns(module: Any) -> None:
    """A few steps fit eight images."""
    torch.manual_seed(0)
    images, classes = torch.randn(8, 3, 16, 16), torch.arange(8)
    optimizer = torch.optim.SGD(module.train().parameters(), lr=0.05, momentum=0.9)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(images), classes)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_preconfig_moves_parameters_to_where_they_count(name: str, tmp_path: Path) -> None:
    module = NETWORKS[name]()
    result = graphprune.preconfig(module, IMAGE, params=0.8, macs=1.0, cap=2.0)
    assert_within(result, 0.8)
    gain = result.plan.method["objective"]
    assert isinstance(gain, float)
    assert name == "with gates" or gain > 0  # gates cost, and count for nothing
    wider = [g for g in result.plan.groups if g.kept > g.width]
    assert wider
    assert any(g.kept < g.width for g in result.plan.groups)
    assert all(g.kept <= 2 * g.width for g in wider)
    assert all(g.kept % 8 == 0 or g.kept == g.width for g in result.plan.groups if g.width > 8)
    assert type(result.model) is type(module)
    assert result.proof.masked is not None
    assert_learns(result.model)
    graphprune.export(result.model.eval(), IMAGE, tmp_path / "net.onnx")


def test_a_budget_that_is_left_out_is_what_the_network_has() -> None:
    result = graphprune.preconfig(mobile(), IMAGE, params=0.7, run=False)
    assert_within(result, 0.7, 1.0)
    assert dict(result.plan.budget.to_dict()) == {"params": 0.7, "macs": 1.0}


def test_what_is_kept_neither_grows_nor_shrinks() -> None:
    result = graphprune.preconfig(resnet20(), IMAGE, params=0.8, keep=["3.a"], run=False)
    assert result.model[3].a.weight.shape == (16, result.model[0].weight.shape[0], 3, 3)


def test_layers_that_changed_draw_their_weights() -> None:
    def init(layer: Any) -> None:
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.constant_(layer.weight, 0.5)

    result = graphprune.preconfig(resnet20(), IMAGE, params=0.8, init=init, run=False)
    assert (result.model[1].weight == 0.5).all()
    first = result.model[9].a.weight
    assert first.abs().max() <= (first[0].numel()) ** -0.5  # as Conv2d draws them


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, "there is no budget"),
        ({"params": 0.8, "cap": 0.5}, "cap cannot be 0.5"),
    ],
)
def test_what_makes_no_sense_is_refused(options: Any, what: str) -> None:
    with pytest.raises(BadData, match=what):
        graphprune.preconfig(mobile(), IMAGE, **options)


def test_only_modules_can_draw_weights() -> None:
    program = torch.export.export(mobile().eval(), (IMAGE,))
    for function in (graphprune.preconfig, graphprune.precrop):
        with pytest.raises(BadData, match="only the layers of an nn"):
            function(program, params=0.8)


def test_a_network_without_groups_has_no_other_widths() -> None:
    with pytest.raises(InfeasibleBudget, match="no layer of this module can have another width"):
        graphprune.preconfig(nn.Linear(3, 4), tensor(2, 3), params=0.8)


@pytest.mark.parametrize("init", ["slice", "fresh"])
def test_precrop_keeps_the_budget(init: Any) -> None:
    module = mobile()
    result = graphprune.precrop(module, IMAGE, params=0.5, init=init, round_to=4)
    assert_within(result, 0.5)
    assert not any(g.kept > g.width for g in result.plan.groups)
    assert result.proof.ok
    assert_learns(result.model)


def test_sliced_weights_are_those_of_the_original() -> None:
    result = graphprune.precrop(mobile(), IMAGE, params=0.5)
    maps = result.index_maps["7.weight"]
    whole = result.original.get_parameter("7.weight")
    taken = whole[maps[0]][:, maps[1]]
    torch.testing.assert_close(result.model.get_parameter("7.weight"), taken)


def test_fresh_weights_are_drawn_by_the_layers_and_the_seed() -> None:
    first, again, other = (
        graphprune.precrop(mobile(), IMAGE, params=0.5, init="fresh", seed=seed, run=False)
        for seed in (1, 1, 2)
    )
    weights = [result.model.get_parameter("7.weight") for result in (first, again, other)]
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)
    assert weights[0].shape == weights[2].shape
    assert not torch.equal(weights[0], weights[2])
    bound = weights[0].shape[1] ** -0.5  # of the channels that it reads now
    assert 0.8 * bound < weights[0].abs().max() <= bound
    assert first.plan.method["init"] == "fresh"


def test_a_module_cropped_in_place_draws_too() -> None:
    module = mobile()
    result = graphprune.precrop(module, IMAGE, params=0.5, init="fresh", inplace=True, run=False)
    assert result.model is module
    weight = module.get_parameter("7.weight")
    assert weight.abs().max() <= weight.shape[1] ** -0.5


def test_a_file_is_cropped_with_any_criterion(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    graphprune.export(mobile().eval(), IMAGE, path)
    result = graphprune.prune(path, params=0.5, allocation="precrop", criterion="l2")
    assert result.cost[1].params <= 0.5 * result.cost[0].params
    assert result.proof.ok


def test_another_init_is_refused() -> None:
    with pytest.raises(BadData, match="init cannot be 'zero'"):
        graphprune.precrop(mobile(), IMAGE, params=0.5, init="zero")  # type: ignore[arg-type]


def test_hidden_units_of_an_mlp() -> None:
    module = Net(
        lambda s, x: s.c(torch.relu(s.b(torch.relu(s.a(x))))),
        a=nn.Linear(64, 256),
        b=nn.Linear(256, 16),
        c=nn.Linear(16, 10),
    )
    result = graphprune.preconfig(module, tensor(2, 64), params=0.8, cap=4.0)
    widths = {g.width: g.kept for g in result.plan.groups}
    assert widths[256] < 256
    assert widths[16] > 16
