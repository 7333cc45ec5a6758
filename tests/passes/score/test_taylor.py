"""Gradient times weight, against indexing every unit's elements one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from graphprune.errors import BadData
from graphprune.evidence import Array, Evidence
from graphprune.groups import Coupling
from graphprune.passes.score import score
from graphprune.passes.score.taylor import Taylor
from tests.networks import ALL, chain, random_tensors


@dataclass(frozen=True)
class Given:
    """Gradients that were written down."""

    batches: Sequence[Mapping[str, Array]]
    learnable: frozenset[str]

    def activations(self, names: Sequence[str]) -> Iterator[Mapping[str, Array]]:
        raise AssertionError("not asked")

    def gradients(self, names: Sequence[str]) -> Iterator[Mapping[str, Array]]:
        assert set(names) <= self.learnable
        return ({name: batch[name] for name in names} for batch in self.batches)

    def hessian_gradients(
        self, names: Sequence[str], temperature: float = 1.0
    ) -> Iterator[Mapping[str, Array]]:
        raise AssertionError("not asked")


def given(coupling: Coupling, *fixed: str, batches: int = 2) -> tuple[dict[str, Array], Given]:
    """Weights, and gradients for all of them but some."""
    tensors = random_tensors(coupling)
    rng = np.random.default_rng(1)
    gradients = [
        {name: rng.standard_normal(x.shape).astype(np.float32) for name, x in tensors.items()}
        for _ in range(batches)
    ]
    return tensors, Given(gradients, frozenset(tensors) - set(fixed))


def changes(
    coupling: Coupling, unit: int, tensors: Mapping[str, Array], gradients: Mapping[str, Array]
) -> Array:
    """Gradient times weight of every element of every axis that belongs to a unit."""
    found = []
    for name in gradients:
        for layer in coupling.layers.get(name, ()):
            mine = np.broadcast_to(layer.ids, tensors[name].shape) == unit
            found.append((gradients[name].astype(float) * tensors[name])[mine])
    return np.concatenate(found)


@pytest.mark.parametrize("joint", [False, True])
@pytest.mark.parametrize("network", sorted(ALL))
def test_a_unit_scores_all_its_parameters(network: str, joint: bool) -> None:
    coupling = ALL[network]
    tensors, observer = given(coupling)
    scores = score("taylor", coupling, Evidence(tensors.__getitem__, observer), joint=joint)
    for group in coupling:
        for unit, found in zip(group.units.flat, scores[group.name].flat, strict=True):
            parts = [changes(coupling, int(unit), tensors, batch) for batch in observer.batches]
            each = [x.sum() ** 2 if joint else np.square(x).sum() for x in parts]
            np.testing.assert_allclose(found, np.mean(each), rtol=1e-5)


@pytest.mark.parametrize("how", ["mean", "max"])
def test_parameters_are_aggregated_after_the_batches(how: str) -> None:
    coupling = chain(4)
    tensors, observer = given(coupling)
    evidence = Evidence(tensors.__getitem__, observer)
    found = score(f"taylor:aggregate={how}", coupling, evidence)["g1"][0]
    for i, score_ in enumerate(found):
        parts: list[tuple[str, Any]] = [
            ("c0.weight", np.s_[i]),
            ("c0.bias", np.s_[i]),
            ("c1.weight", np.s_[:, i]),
        ]
        means = [
            np.mean([np.square(b[name][at] * tensors[name][at]).sum() for b in observer.batches])
            for name, at in parts
        ]
        assert score_ == pytest.approx(getattr(np, how)(means), rel=1e-5)


def test_joint_knows_no_other_aggregate_than_the_sum() -> None:
    with pytest.raises(BadData) as caught:
        Taylor(joint=True, aggregate="max")
    assert str(caught.value) == (
        "BadData: joint and aggregate=max exclude each other\n"
        "  why:   joint takes the sum over all parameters as one gate\n"
        "  fix:   leave one of them out"
    )


def test_buffers_play_no_part() -> None:
    coupling = chain(4)
    tensors, observer = given(coupling, "c0.bias")
    scores = score("taylor", coupling, Evidence(tensors.__getitem__, observer))
    without = [{k: v for k, v in b.items() if k != "c0.bias"} for b in observer.batches]
    expected = [
        np.mean([np.square(changes(coupling, int(unit), tensors, b)).sum() for b in without])
        for unit in coupling.groups[0].units[0]
    ]
    np.testing.assert_allclose(scores["g1"], [expected], rtol=1e-5)


def test_without_data_it_says_what_to_give() -> None:
    coupling = chain(4)
    evidence = Evidence(random_tensors(coupling).__getitem__, missing="prune the nn.Module: data=")
    with pytest.raises(BadData) as caught:
        score("taylor", coupling, evidence)
    assert str(caught.value) == (
        "BadData: criterion 'taylor' needs data\n"
        "  why:   it looks at what the model does, not at its weights alone\n"
        "  fix:   prune the nn.Module: data="
    )


def test_on_a_module_it_finds_the_channel_that_the_outputs_do_not_read() -> None:
    torch = pytest.importorskip("torch")
    from graphprune.frontends.torch import Observed, trace
    from graphprune.passes.couple import couple

    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3), torch.nn.BatchNorm2d(6), torch.nn.ReLU(),
        torch.nn.Conv2d(6, 4, 3), torch.nn.Flatten(), torch.nn.Linear(4 * 16, 3),
    ).eval()  # fmt: skip
    module[3].weight.data[:, 2] = 0
    traced = trace(module, (torch.randn(2, 3, 8, 8),))
    coupling = couple(traced.graph)
    data = [(torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 0])) for _ in range(2)]
    observer = Observed(traced, data, torch.nn.CrossEntropyLoss())
    scores = score("taylor", coupling, Evidence(traced.contents, observer))
    first = scores["g1"][0]
    # Nothing flows back through its columns, which are zero themselves.
    assert first[2] == 0
    assert (np.delete(first, 2) > 0).all()
