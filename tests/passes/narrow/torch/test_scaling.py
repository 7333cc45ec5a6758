"""Multiplying tensors: element type and order of memory stay; whole modules are proven."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402

from graphprune.passes.narrow.torch import narrow_module  # noqa: E402
from graphprune.passes.narrow.torch.graph_module import rewritten  # noqa: E402
from graphprune.passes.narrow.torch.scaling import scaled  # noqa: E402
from graphprune.passes.reconstruct import patch  # noqa: E402
from graphprune.passes.verify.torch import ModuleTrial, verify_module  # noqa: E402
from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.oracle import reweighted  # noqa: E402
from tests.passes.narrow.torch.networks import IMAGE, Convs, Plan  # noqa: E402


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float32", "float64"])
def test_element_types_and_memory_stay(name: str) -> None:
    whole = tensor(2, 3, 4, 5).to(getattr(torch, name)).to(memory_format=torch.channels_last)
    before = whole.clone()
    found = scaled(whole, np.array([0.3, 1.0, 7.7]).reshape(1, 3, 1, 1))
    assert found.dtype == whole.dtype
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(whole, before)
    wide = torch.float64 if name == "float64" else torch.float32
    numbers = torch.tensor([0.3, 1.0, 7.7], dtype=wide).reshape(1, 3, 1, 1)
    assert torch.equal(found, (whole.to(wide) * numbers).to(whole.dtype))


def test_without_factors_a_tensor_is_itself() -> None:
    whole = tensor(2, 3)
    assert scaled(whole, None) is whole


class Mixed(nn.Module):  # type: ignore[misc]
    """A residual sum, a concatenation, grouped and depthwise layers, a linear one at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, 8, 3, padding=1)
        self.inner = nn.Conv2d(8, 12, 3, padding=1)
        self.norm = nn.BatchNorm2d(12)
        self.back = nn.Conv2d(12, 8, 1)
        self.side = nn.Conv2d(8, 4, 1)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12)
        self.grouped = nn.Conv2d(12, 12, 3, padding=1, groups=2)
        self.features = nn.Linear(12 * 16, 10)
        self.head = nn.Linear(10, 5)

    def forward(self, x: Any) -> Any:
        """An image to five numbers."""
        x = self.enter(x).relu()
        x = x + self.back(self.norm(self.inner(x)).relu())
        x = torch.cat((x, self.side(x)), 1)
        x = self.grouped(self.depthwise(x).relu()).relu()
        return self.head(self.features(nn.functional.avg_pool2d(x, 2).flatten(1)).relu())


class Attention(nn.Module):  # type: ignore[misc]
    """Heads, of which values are read by weights, queries and keys by each other."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(12, 12, bias=False) for _ in range(3))
        self.out, self.up, self.down = nn.Linear(12, 12), nn.Linear(12, 20), nn.Linear(20, 12)

    def forward(self, x: Any) -> Any:
        """A sequence to a sequence."""
        n, t, _ = x.shape
        q, k, v = (f(x).view(n, t, 3, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = (q @ k.transpose(-1, -2) * 0.5).softmax(-1) @ v
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.down(nn.functional.gelu(self.up(x)))


CASES: dict[str, tuple[Any, Any, str]] = {
    "mixed": (Mixed, tensor(2, 3, 8, 8), "module"),
    "attention": (Attention, tensor(2, 5, 12), "graph"),  # its class has sizes as literals
}


@pytest.mark.parametrize("name", CASES)
def test_reweighted_modules_are_proven(name: str) -> None:
    make, x, form = CASES[name]
    torch.manual_seed(0)
    plan = Plan(make().eval(), x)
    found = patch(plan.coupling, reweighted(plan.coupling, plan.alive, 0))
    assert found is not None
    small = narrow_module(plan.traced, plan.coupling, plan.alive, patch=found)
    assert small.form == form
    trial = ModuleTrial(runs=1)
    assert verify_module(plan.traced, plan.coupling, plan.alive, small, trial, found).ok
    # Of what was not multiplied the proof says so.
    assert not verify_module(plan.traced, plan.coupling, plan.alive, small, trial).ok


def test_a_graph_module_has_the_same_weights() -> None:
    plan = Plan(Convs().eval(), IMAGE)
    found = patch(plan.coupling, reweighted(plan.coupling, plan.alive, 0))
    small = narrow_module(plan.traced, plan.coupling, plan.alive, patch=found)
    graph = rewritten(plan.traced, plan.coupling, plan.alive, found)
    for name, held in small.module.named_parameters():
        assert torch.equal(graph.get_parameter(name), held)


def test_parametrised_weights_are_left_alone() -> None:
    module = Convs().eval()
    nn.utils.parametrizations.weight_norm(module.b)
    plan = Plan(module, IMAGE)
    selection = reweighted(plan.coupling, plan.alive, 0)
    assert selection.factors is not None and (selection.factors == 1).all()


def test_gradients_of_weights_that_change_are_dropped_and_others_cut() -> None:
    module = Convs().eval()
    module(IMAGE).sum().backward()
    plan = Plan(module, IMAGE)
    found = patch(plan.coupling, reweighted(plan.coupling, plan.alive, 0))
    copied = narrow_module(plan.traced, plan.coupling, plan.alive, patch=found, strict=True)
    narrow_module(plan.traced, plan.coupling, plan.alive, patch=found, strict=True, inplace=True)
    assert torch.equal(module.b.weight, copied.module.b.weight)
    assert module.b.weight.grad is None
    assert module.a.weight.grad.shape == module.a.weight.shape
