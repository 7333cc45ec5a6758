"""Modules with other widths than they were written with: proven, trained, exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402

import graphprune  # noqa: E402
from graphprune.errors import BadData, NotEquivalent, PlanMismatch, UnsupportedModel  # noqa: E402
from graphprune.inspection import inspect_module  # noqa: E402
from graphprune.module_result import ModuleResult  # noqa: E402
from graphprune.passes.couple import couple  # noqa: E402
from graphprune.passes.narrow.growable import ungrowable  # noqa: E402
from graphprune.passes.verify.torch.rebuilt import verify_rebuilt  # noqa: E402
from graphprune.pipelines.torch import rebuilding  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402
from tests.modules.images import Shuffled  # noqa: E402
from tests.pipelines.torch.test_pruning import draw  # noqa: E402

IMAGE = tensor(2, 3, 8, 8)


def rebuilt(module: Any, *inputs: Any, seed: int = 0, **widths: int) -> ModuleResult:
    found = inspect_module(module, inputs)
    return rebuilding.rebuild(found, widths, rebuilding.Rebuilding(seed=seed), lambda _: None)


class Random(nn.Module):  # type: ignore[misc]
    """Blocks in a row, each drawn: plain, depthwise, residual, gated or dense."""

    def __init__(self, kinds: list[str], classes: int = 4) -> None:
        super().__init__()
        self.kinds, wide = kinds, 4
        self.stem = nn.Conv2d(3, wide, 3, padding=1)
        self.blocks = nn.ModuleList()
        for kind in kinds:
            made = wide + 2 if kind in ("plain", "dense") else wide
            groups = wide if kind == "depthwise" else 1
            block = nn.ModuleDict(
                {
                    "a": nn.Conv2d(wide, made, 3, padding=1, groups=groups, bias=False),
                    "n": nn.BatchNorm2d(made),
                }
            )
            if kind == "gated":
                block.update({"down": nn.Conv2d(made, 3, 1), "up": nn.Conv2d(3, made, 1)})
            self.blocks.append(block)
            wide += made if kind == "dense" else made - wide
        self.head = nn.Linear(4 * wide, classes)

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        for kind, block in zip(self.kinds, self.blocks, strict=True):
            y = torch.relu(block["n"](block["a"](x)))
            if kind == "gated":
                pooled = y.mean((2, 3), keepdim=True)
                y = y * torch.sigmoid(block["up"](torch.relu(block["down"](pooled))))
            x = {"residual": lambda x, y: x + y, "dense": lambda x, y: torch.cat([x, y], 1)}.get(
                kind, lambda _, y: y
            )(x, y)
        return self.head(nn.functional.adaptive_avg_pool2d(x, 2).flatten(1))


KINDS = st.sampled_from(["plain", "depthwise", "residual", "gated", "dense"])


@settings(max_examples=8, deadline=None)
@given(st.lists(KINDS, min_size=1, max_size=4), st.integers(0, 1000))
def test_networks_have_the_widths_that_were_drawn(kinds: list[str], seed: int) -> None:
    torch.manual_seed(0)
    module = draw(Random(kinds))
    found, rng = inspect_module(module, IMAGE), np.random.default_rng(seed)
    asked = {g.name: int(rng.integers(1, 2 * g.width + 1)) for g in found.coupling}
    result = rebuilding.rebuild(found, asked, rebuilding.Rebuilding(), lambda _: None)
    assert type(result.model) is Random
    assert result.proof.masked is not None
    again = couple(result.narrowed.traced.graph)
    wide = {name for name, width in asked.items() if width > 1}  # of one channel little is coupled
    widths = {frozenset(map(str, g.members)): g.width for g in again}
    for group in found.coupling:
        if group.name in wide:
            members = frozenset(map(str, group.members))
            assert widths.get(members, asked[group.name]) == asked[group.name]
    held = {k: tuple(v.shape) for k, v in result.model.named_parameters()}
    for value in found.coupling.graph.params:
        if value.source in held:
            assert result.copies is not None
            assert held[value.source] == found.coupling.shape(value.name, result.copies)
    assert_trains(result.model, IMAGE)


def assert_trains(module: Any, *inputs: Any) -> None:
    """A step changes every parameter's gradient, and the loss falls."""
    optimizer = torch.optim.SGD(module.train().parameters(), lr=1e-3)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = (module(*inputs) - 1).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in module.parameters())
    assert losses[-1] < losses[0]


def block(wide: int = 4) -> Any:
    torch.manual_seed(0)
    return Net(
        lambda s, x: s.b(torch.relu(s.n(s.a(x)))).mean((2, 3)),
        a=nn.Conv2d(3, wide, 3),
        n=nn.BatchNorm2d(wide),
        b=nn.Conv2d(wide, 2, 3),
    )


def test_the_result_says_what_is_new() -> None:
    result = rebuilt(block(), IMAGE, g1=6)
    assert result.plan.text() == "g1 4 -> 6"
    assert result.narrowed.attributes == {
        "a.out_channels": (4, 6),
        "n.num_features": (4, 6),
        "b.in_channels": (4, 6),
    }
    assert result.index_maps["a.weight"][0].tolist() == [0, 1, 2, 3, -1, -1]
    before, after = result.cost
    assert before.params == 4 * 27 + 4 * 5 + 2 * 36 + 2
    assert after.params == 6 * 27 + 6 * 5 + 2 * 54 + 2


def test_the_original_is_left_as_it_was() -> None:
    module = block().train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    result = rebuilt(module, IMAGE, g1=6)
    assert module.training
    assert result.model.training
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


def test_a_plan_rebuilds_a_fresh_copy_with_the_same_weights(tmp_path: Path) -> None:
    result = rebuilt(block(), IMAGE, g1=6, seed=5)
    plan = graphprune.Plan.from_json(result.plan.to_json())
    again = graphprune.apply(block(), plan, IMAGE)
    for key, value in again.model.state_dict().items():
        torch.testing.assert_close(value, result.model.state_dict()[key], rtol=0, atol=0)
    other = graphprune.apply(block(), plan, IMAGE, seed=6)
    assert not torch.equal(other.model.a.weight, result.model.a.weight)


def test_weights_are_saved_and_loaded(tmp_path: Path) -> None:
    result = rebuilt(block(), IMAGE, g1=6)
    with torch.no_grad():
        result.model.a.weight.add_(1)
    graphprune.save(result, tmp_path / "net.pt")
    loaded = graphprune.load(tmp_path / "net.pt", block(), IMAGE)
    torch.testing.assert_close(loaded.eval()(IMAGE), result.model.eval()(IMAGE))


def test_a_rebuilt_module_is_exported(tmp_path: Path) -> None:
    result = rebuilt(block(), IMAGE, g1=6)
    graphprune.export(result.model.eval(), IMAGE, tmp_path / "net.onnx")
    held = {i.name: list(i.dims) for i in onnx.load(tmp_path / "net.onnx").graph.initializer}
    assert [6, 3, 3, 3] in held.values()


def test_a_file_cannot_be_made_wider(tmp_path: Path) -> None:
    result = rebuilt(block(), IMAGE, g1=6)
    graphprune.export(block().eval(), IMAGE, tmp_path / "net.onnx")
    with pytest.raises(PlanMismatch, match="a file has none to give"):
        graphprune.apply(tmp_path / "net.onnx", result.plan)


@pytest.mark.parametrize("option", ["inplace", "optimizer"])
def test_nothing_of_the_original_goes_on(option: str) -> None:
    plan = rebuilt(block(), IMAGE, g1=6).plan
    with pytest.raises(BadData, match=f"a module that is rebuilt wider cannot have {option}="):
        graphprune.apply(block(), plan, IMAGE, **{option: True})


def test_a_program_has_no_layers_to_draw_weights() -> None:
    plan = rebuilt(block(), IMAGE, g1=6).plan
    program = torch.export.export(block().eval(), (IMAGE,))
    with pytest.raises(BadData, match="only the layers of an nn"):
        graphprune.apply(program, plan, IMAGE)


def test_shuffled_channels_cannot_grow() -> None:
    module, x = Shuffled(), tensor(2, 3, 16, 16)
    fixed = ungrowable(inspect_module(module, x).coupling)
    assert fixed
    with pytest.raises(UnsupportedModel, match=f"{min(fixed)} cannot become wider"):
        rebuilt(module, x, **{min(fixed): 99})


class Attention(nn.Module):  # type: ignore[misc]
    """A transformer's block; only what its MLP hides is free of norms and heads."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))

    def forward(self, x: Any) -> Any:
        q, k, v = self.qkv(self.norm(x)).unflatten(-1, (3, 2, 4)).unbind(2)
        heads = (t.transpose(1, 2) for t in (q, k, v))
        y = nn.functional.scaled_dot_product_attention(*heads, scale=0.5)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm(x))


def test_what_an_mlp_hides_grows_and_heads_do_not() -> None:
    module, x = Attention(), tensor(2, 5, 8)
    coupling = inspect_module(module, x).coupling
    fixed = ungrowable(coupling)
    hidden = next(g for g in coupling if any(m.param.startswith("mlp.0") for m in g.members))
    assert hidden.name not in fixed
    heads = [g for g in coupling if any(m.param.startswith("qkv") for m in g.members)]
    assert {g.name for g in heads if g.exact} <= fixed.keys()
    result = rebuilt(module, x, **{hidden.name: 24})
    assert type(result.model) is Attention
    assert result.model.mlp[0].weight.shape == (24, 8)
    assert result.proof.masked is not None
    assert_trains(result.model, x)


def test_literal_widths_make_a_graph_module() -> None:
    module = Net(
        lambda s, x: s.b(s.a(x).view(-1, 4 * 36)), a=nn.Conv2d(3, 4, 3), b=nn.Linear(144, 2)
    )
    result = rebuilt(module, IMAGE, g1=6)
    assert result.narrowed.form == "graph"
    assert result.notes[0].startswith("became a GraphModule: ")
    assert result.model.b.weight.shape == (2, 6 * 36)
    assert_trains(result.model, IMAGE)


class Held(nn.Module):  # type: ignore[misc]
    """Keeps a width as a number of its own, and cuts at it."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = 6
        self.a = nn.Conv2d(3, 6, 3)
        self.b = nn.Linear(6 * 36, 2)

    def forward(self, x: Any) -> Any:
        return self.b(self.a(x).reshape(-1, self.wide * 36))


def test_attributes_that_hold_widths_follow() -> None:
    result = rebuilt(Held(), IMAGE, g1=10)
    assert type(result.model) is Held
    assert result.model.wide == 10


def test_what_is_not_proven_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> Any:
        proof = verify_rebuilt(*args)
        return replace(proof, replay=replace(proof.replay, ok=False, failures=("no",)))

    monkeypatch.setattr(rebuilding, "verify_rebuilt", fail)
    with pytest.raises(NotEquivalent, match="no"):
        rebuilt(block(), IMAGE, g1=6)
