"""Modules of many kinds: narrowed, proven, trained a step, exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

import graphprune  # noqa: E402
from graphprune.errors import BadData, NotEquivalent, PlanMismatch, UnsupportedModel  # noqa: E402
from graphprune.module_result import ModuleResult  # noqa: E402
from tests.modules import detection, images  # noqa: E402

NETWORKS = {
    "u_net": (images.UNet, (2, 3, 16, 16)),
    "super_resolution": (images.Upscaler, (2, 3, 12, 12)),
    "shuffled_channels": (images.Shuffled, (2, 3, 16, 16)),
    "one_stage_detector": (detection.Pyramid, (2, 3, 32, 32)),
    "detection_transformer": (detection.Queries, (2, 3, 32, 32)),
}


def draw(module: Any, seed: int = 0) -> Any:
    """Fresh norms and zeroed parameters would hide a wrong cut."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            if tensor.is_floating_point() and tensor.ndim == 1 and (tensor == tensor[0]).all():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return module


def network(name: str) -> tuple[Any, Any]:
    torch.manual_seed(0)
    make, shape = NETWORKS[name]
    return draw(make()), torch.randn(*shape)


def tensors(found: Any) -> list[Any]:
    return [x for x in torch.utils._pytree.tree_leaves(found) if isinstance(x, torch.Tensor)]


@pytest.mark.parametrize("name", NETWORKS)
def test_half_of_the_channels_go(name: str, tmp_path: Path) -> None:
    module, example = network(name)
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    result = graphprune.prune(module, example, channels=0.5)
    assert result.proof.ok and result.proof.masked is not None
    assert result.proof.masked.worst <= 1e-5
    assert {g.kept for g in result.plan.groups if g.width == 16} <= {8}
    assert result.cost[1].macs < 0.45 * result.cost[0].macs
    assert all(torch.equal(module.state_dict()[key], before[key]) for key in before)
    small = result.model.train()
    loss = sum(x.square().mean() for x in tensors(small(example)))
    loss.backward()
    missing = [
        n for n, p in small.named_parameters() if p.grad is None or not p.grad.isfinite().all()
    ]
    assert missing == []
    exported = graphprune.export(small.eval(), example, tmp_path / "small.onnx")
    assert exported.error is not None and exported.error <= 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_any_batch_fits_the_narrowed_module(name: str) -> None:
    module, example = network(name)
    small = graphprune.prune(module, example, channels=0.5, run=False).model.eval()
    five = torch.cat((example, example, example))[:5]
    for whole, part in zip(tensors(small(five)), tensors(small(example)), strict=True):
        assert len(whole) == 5
        torch.testing.assert_close(whole[:2], part, rtol=1e-4, atol=1e-5)


class TestBudgets:
    def test_are_kept_and_used(self) -> None:
        module, example = network("u_net")
        result = graphprune.prune(module, example, macs=0.5, params=0.7)
        before, after = result.cost
        assert 0.45 * before.macs < after.macs <= 0.5 * before.macs
        assert after.params <= 0.7 * before.params
        held = {id(p): p.numel() for p in result.model.state_dict(keep_vars=True).values()}
        counters = sum("num_batches" in key for key in result.model.state_dict())
        assert sum(held.values()) - counters == after.params

    def test_layers_are_kept_by_name(self) -> None:
        module, example = network("shuffled_channels")
        result = graphprune.prune(module, example, channels=0.5, keep=["stem.*"], run=False)
        assert result.model.get_parameter("stem.0.weight").shape[0] == 16


class TestModes:
    def test_stay_what_they_are_part_by_part(self) -> None:
        for name in ("u_net", "shuffled_channels"):
            module, example = network(name)
            module.train()
            next(iter(module.children())).eval()
            modes = {path: part.training for path, part in module.named_modules()}
            small = graphprune.prune(module, example, channels=0.5, run=False).model
            assert {path: part.training for path, part in module.named_modules()} == modes
            found = {path: part.training for path, part in small.named_modules()}
            assert {path: found[path] for path in found if path in modes} == {
                path: modes[path] for path in found if path in modes
            }

    def test_batch_statistics_move_in_training_only(self) -> None:
        for name in ("u_net", "shuffled_channels"):
            module, example = network(name)
            small = graphprune.prune(module.train(), example, channels=0.5, run=False).model
            means = [b for n, b in small.named_buffers() if n.endswith("running_mean")]
            before = [mean.clone() for mean in means]
            small(example)
            assert not any(torch.equal(a, b) for a, b in zip(means, before, strict=True))
            before = [mean.clone() for mean in means]
            small.eval()(example)
            assert all(torch.equal(a, b) for a, b in zip(means, before, strict=True))


class TestInPlace:
    def test_the_module_itself_changes(self) -> None:
        module, example = network("u_net")
        first = module.down[0][0].weight
        result = graphprune.prune(module, example, channels=0.5, inplace=True)
        assert result.model is module and module.down[0][0].weight is first
        assert module.down[0][0].out_channels == first.shape[0] == 4

    def test_a_module_without_words_for_it_is_left_as_it_was(self) -> None:
        module, example = network("shuffled_channels")
        with pytest.raises(UnsupportedModel):
            graphprune.prune(module, example, channels=0.5, inplace=True)
        assert module.stem[0].weight.shape[0] == 16


def test_a_plan_narrows_a_fresh_copy_and_takes_the_pruned_weights() -> None:
    module, example = network("one_stage_detector")
    result = graphprune.prune(module, example, macs=0.5)
    fresh, _ = network("one_stage_detector")
    again = graphprune.apply(draw(fresh, seed=1), result.plan, example, run=False)
    again.model.load_state_dict(result.model.state_dict())
    for one, other in zip(
        tensors(again.model.eval()(example)), tensors(result.model.eval()(example)), strict=True
    ):
        assert torch.equal(one, other)


def test_a_plan_for_another_module_is_refused() -> None:
    module, example = network("u_net")
    plan = graphprune.prune(module, example, channels=0.5, run=False).plan
    other, other_example = network("super_resolution")
    with pytest.raises(PlanMismatch, match=r"the model has no parameter"):
        graphprune.apply(other, plan, other_example)


class TestOneFile:
    def saved(self, folder: Path) -> tuple[ModuleResult, Any, Path]:
        module, example = network("u_net")
        result = graphprune.prune(module, example, channels=0.5)
        graphprune.save(result, folder / "small.gp")
        return result, example, folder / "small.gp"

    def test_brings_plan_and_weights(self, tmp_path: Path) -> None:
        result, example, path = self.saved(tmp_path)
        fresh, _ = network("u_net")
        small = graphprune.load(path, fresh, example)
        assert torch.equal(small.eval()(example), result.model.eval()(example))

    def test_other_files_are_refused(self, tmp_path: Path) -> None:
        module, example = network("u_net")
        (tmp_path / "text").write_text("no checkpoint")
        torch.save(module.state_dict(), tmp_path / "plain.pt")
        for name in ("text", "plain.pt"):
            with pytest.raises(BadData, match=r"this is no file of a pruned module"):
                graphprune.load(tmp_path / name, module, example)
        with pytest.raises(BadData, match=r"no such file"):
            graphprune.load(tmp_path / "nothing", module, example)


class TestIndexMaps:
    def test_lead_back_to_the_original(self) -> None:
        module, example = network("u_net")
        result = graphprune.prune(module, example, channels=0.5, run=False)
        assert result.original is module
        large, small = module.state_dict(), result.model.state_dict()
        for name, axes in result.index_maps.items():
            tensor = large[name]
            for axis, index in axes.items():
                assert index.ndim == 1
                tensor = tensor.index_select(axis, torch.from_numpy(index))
            assert torch.equal(tensor, small[name])
        assert set(result.index_maps) >= {"down.0.0.weight", "head.weight"}


def test_a_module_needs_example_inputs() -> None:
    module, _ = network("u_net")
    with pytest.raises(BadData) as error:
        graphprune.prune(module, channels=0.5)
    assert str(error.value) == (
        "BadData: a PyTorch module needs example inputs\n"
        "  where: UNet\n"
        "  why:   sizes and couplings are found by running its code once\n"
        "  fix:   give what forward is called with: a tensor, a tuple, or a dict by keyword"
    )


def test_what_is_not_proven_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from graphprune.passes.narrow.torch import narrow_module as real

    def spoiled(*args: Any, **how: Any) -> Any:
        narrowed = real(*args, **how)
        with torch.no_grad():
            narrowed.module.head.bias += 1
        return narrowed

    monkeypatch.setattr("graphprune.pipelines.torch.pruning.narrow_module", spoiled)
    module, example = network("u_net")
    result = graphprune.prune(module, example, channels=0.5)
    assert not result.proof.ok
    with pytest.raises(NotEquivalent):
        result.save(tmp_path / "small.gp")
    with pytest.raises(NotEquivalent):
        graphprune.export(module, example, tmp_path / "small.onnx", channels=0.5)
    assert list(tmp_path.iterdir()) == []


def test_sensitivities_are_measured_by_running_the_module() -> None:
    module, x = network("u_net")
    how: dict[str, Any] = {"criterion": "pfp", "allocation": "pfp", "data": [x, x + 1]}
    result = graphprune.prune(module, x, macs=0.5, **how)
    assert result.proof.ok
    assert result.cost[1].macs <= result.cost[0].macs / 2
    assert [found.group for found in result.guarantees] == [g.name for g in result.groups]
    assert any("sensitivities are over 4 data points" in note for note in result.notes)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "BadData: criterion 'taylor:joint=true' needs data\n"),
        ({"data": []}, "BadData: criterion 'taylor:joint=true' needs a loss\n"),
    ],
)
def test_what_a_criterion_needs_is_asked_for_before_tracing(
    given: dict[str, Any], message: str
) -> None:
    module, _ = network("u_net")  # which could not be traced without inputs
    with pytest.raises(BadData) as caught:
        graphprune.prune(module, channels=0.5, criterion="taylor:joint=true", **given)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("method", ["pfp-random", "pfp-mixed"])
def test_sampled_channels_are_reweighted(method: str, tmp_path: Path) -> None:
    module, x = network("u_net")
    result = graphprune.prune(module, x, macs=0.4, method=method, data=[x, x + 1])
    assert result.proof.ok
    assert result.cost[1].macs <= 0.4 * result.cost[0].macs
    assert result.plan.factors
    assert any(found.sampled for found in result.guarantees)
    result.save(tmp_path / "small.gp")
    again = graphprune.load(tmp_path / "small.gp", module, x)
    applied = graphprune.apply(module, result.plan, x)
    assert applied.proof.ok
    for name, tensor in result.model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)
        assert torch.equal(applied.model.state_dict()[name], tensor)
