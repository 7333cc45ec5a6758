"""The verify pass on small modules of every kind, and on narrowed modules with mistakes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from graphprune.errors import BackendError  # noqa: E402
from graphprune.frontends.torch import Example  # noqa: E402
from graphprune.passes.narrow.torch import NarrowedModule  # noqa: E402
from graphprune.passes.verify.torch import ModuleTrial, verify_module  # noqa: E402
from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.passes.verify.torch.proving import Case, case, chain, net  # noqa: E402

nn = torch.nn


def attention() -> Case:
    def forward(m: Any, x: Any) -> Any:
        parts = (p(x).unflatten(-1, (2, -1)).transpose(1, 2) for p in (m.q, m.k, m.v))
        y = nn.functional.scaled_dot_product_attention(*parts, scale=0.5)
        return m.o(y.transpose(1, 2).flatten(2))

    parts = {"q": nn.Linear(6, 16), "k": nn.Linear(6, 16), "v": nn.Linear(6, 16)}
    return case(net(forward, **parts, o=nn.Linear(16, 5)), tensor(2, 3, 6))


def multi_head() -> Case:
    def forward(m: Any, x: Any) -> Any:
        return m.attention(x, x, x, need_weights=False)[0]

    return case(net(forward, attention=nn.MultiheadAttention(8, 2)), tensor(3, 2, 8))


def mean_over_channels() -> Case:
    def forward(m: Any, x: Any) -> Any:
        return m.b(m.a(x).mean(1))

    return case(net(forward, a=nn.Conv1d(3, 8, 1), b=nn.Linear(5, 2)), tensor(2, 3, 5))


def lstm() -> Case:
    def forward(m: Any, x: Any) -> Any:
        y, (h, c) = m.cells(m.a(x))
        return m.b(y), m.b(h[-2:].transpose(0, 1).flatten(1)), m.c(c[0])

    cells = nn.LSTM(6, 12, num_layers=2, bidirectional=True, batch_first=True)
    parts = {"a": nn.Linear(4, 6), "b": nn.Linear(24, 3), "c": nn.Linear(12, 3)}
    return case(net(forward, cells=cells, **parts), tensor(2, 5, 4))


def gru_with_projected_lstm() -> Case:
    def forward(m: Any, x: Any) -> Any:
        return m.b(m.gru(m.lstm(x)[0])[0])

    parts = {"lstm": nn.LSTM(4, 8, proj_size=6), "gru": nn.GRU(6, 8), "b": nn.Linear(8, 3)}
    return case(net(forward, **parts), tensor(5, 2, 4))


def tied() -> Case:
    def forward(m: Any, ids: Any) -> Any:
        y = m.a(m.table(ids)).relu()
        return nn.functional.linear(m.b(y), m.table.weight)

    parts = {"table": nn.Embedding(11, 8), "a": nn.Linear(8, 12), "b": nn.Linear(12, 8)}
    return case(net(forward, **parts), torch.tensor([[1, 10, 3], [0, 2, 2]]))


def residual() -> Case:
    def forward(m: Any, x: Any) -> Any:
        y = m.a(x).relu()
        y = (m.c(m.b(y).relu()) + y).relu()
        y = torch.cat([m.depthwise(y), m.d(y)], 1)
        return m.head(y.mean((2, 3)))

    parts = {
        "a": nn.Conv2d(3, 8, 3), "b": nn.Conv2d(8, 6, 1), "c": nn.Conv2d(6, 8, 1),
        "depthwise": nn.Conv2d(8, 8, 3, groups=8), "d": nn.Conv2d(8, 4, 3),
        "head": nn.Linear(12, 2),
    }  # fmt: skip
    return case(net(forward, **parts), tensor(2, 3, 8, 8))


def einsum() -> Case:
    def forward(m: Any, x: Any) -> Any:
        return torch.einsum("bti,hij,hjo->bto", x, m.a, m.b)

    module = net(forward)
    module.a, module.b = (nn.Parameter(tensor(3, 4, 6, seed=1)), nn.Parameter(tensor(3, 6, 5)))
    return case(module, tensor(2, 3, 4))


def dictionaries() -> Case:
    class Dicts(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 3)

        def forward(self, *, batch: dict[str, Any], scale: float) -> dict[str, Any]:
            y = self.a(batch["x"]).relu() * scale
            return {"logits": self.b(y), "mask": batch["mask"] & True, "none": None}

    batch = {"x": tensor(2, 4), "mask": torch.tensor([True, False])}
    return case(Dicts().eval(), batch=batch, scale=2.0)


EXACT: dict[str, Callable[[], Case]] = {
    "attention": attention, "multi_head": multi_head, "lstm": lstm, "tied": tied,
    "gru_with_projected_lstm": gru_with_projected_lstm, "residual": residual, "einsum": einsum,
    "dictionaries": dictionaries,
    "batch_norm": lambda: case(chain(nn.BatchNorm2d(8)), tensor(2, 3, 6, 6)),
    "instance_norm": lambda: case(chain(nn.InstanceNorm2d(8, affine=True)), tensor(2, 3, 6, 6)),
}  # fmt: skip
APPROXIMATE: dict[str, Callable[[], Case]] = {
    "mean_over_channels": mean_over_channels,
    "layer_norm": lambda: case(chain(nn.LayerNorm(8), 2), tensor(2, 5, 6)),
    "rms_norm": lambda: case(chain(nn.RMSNorm(8), 2), tensor(2, 5, 6)),
    "group_norm": lambda: case(chain(nn.GroupNorm(2, 8)), tensor(2, 3, 6, 6)),
    "one_group": lambda: case(chain(nn.GroupNorm(1, 8)), tensor(2, 3, 6, 6)),
}


@pytest.mark.parametrize("name", sorted(EXACT | APPROXIMATE))
def test_narrowed_equals_masked(name: str) -> None:
    torch.manual_seed(0)
    found = (EXACT | APPROXIMATE)[name]()
    proof = found.proof()
    assert proof.replay.failures == ()
    assert proof.replay.checked > 0
    assert proof.masked is not None
    assert proof.masked.worst <= proof.tolerance == 1e-5
    assert proof.ok
    assert proof.left_out == ()
    groups = [g.name for g in found.coupling if not found.alive[g.units].all()]
    assert groups
    if name in EXACT:
        assert (proof.approximate, proof.shift) == ({}, None)
    else:
        assert set(proof.approximate) & set(groups)
        assert proof.shift is not None
        assert proof.shift > 1e-3


def test_what_is_removed_was_of_some_use() -> None:
    """Or else the comparison would mean nothing."""
    found = residual()
    whole = NarrowedModule(found.traced.module, found.narrowed().traced)
    proof = found.proof(whole)
    assert proof.replay.ok
    assert proof.masked is not None
    assert proof.masked.worst > 1e-3
    assert not proof.ok


def test_outputs_are_called_as_in_the_graph() -> None:
    masked = dictionaries().proof().masked
    assert masked is not None
    assert list(masked.errors) == ["linear_1", "and_1"]


def test_labels_alone_prove_without_a_run() -> None:
    found = attention()
    proof = verify_module(found.traced, found.coupling, found.alive, found.narrowed(), None)
    assert (proof.ok, proof.masked, proof.why_not_run) == (True, None, "asked not to run")


def test_given_inputs_are_run_as_well() -> None:
    given = Example((torch.ones(2, 3, 8, 8),))
    masked = residual().proof(trial=ModuleTrial([given], runs=2)).masked
    assert masked is not None
    assert (masked.runs, masked.given) == (3, 1)


def test_a_width_that_is_not_the_plans_is_named() -> None:
    found = residual()
    other = replace(found, alive=found.coupling.everything())
    proof = found.proof(other.narrowed(), ModuleTrial(runs=0))
    assert not proof.ok
    assert proof.replay.failures[0].endswith("the plan says [2, 4, 6, 6]")


def test_a_module_that_fails() -> None:
    found = case(chain(nn.ReLU()), tensor(2, 3, 6, 6))

    def widen(module: Any) -> None:
        module[2] = nn.Conv2d(5, 4, 1)

    narrowed = found.narrowed()
    widen(narrowed.module)
    with pytest.raises(BackendError, match="the module 'Sequential' cannot be run"):
        found.proof(narrowed)


def test_random_numbers_in_evaluation_are_noticed() -> None:
    def forward(m: Any, x: Any) -> Any:
        return m.b(nn.functional.dropout(m.a(x), 0.5, True))

    state = torch.random.get_rng_state()
    found = case(net(forward, a=nn.Linear(3, 8), b=nn.Linear(8, 2)), tensor(2, 3))
    state = torch.random.get_rng_state()
    proof = found.proof()
    assert proof.replay.ok
    assert proof.masked is None
    assert (
        proof.why_not_run == "the module draws random numbers in evaluation mode: two runs differ"
    )
    assert torch.equal(torch.random.get_rng_state(), state)


def test_outputs_that_are_not_finite_prove_nothing() -> None:
    def forward(m: Any, x: Any) -> Any:
        return torch.log(-m.b(m.a(x)).exp())

    found = case(net(forward, a=nn.Linear(3, 8), b=nn.Linear(8, 2)), tensor(2, 3))
    proof = found.proof()
    assert proof.masked is None
    assert proof.why_not_run == "no output is finite on these inputs; give others"


def cancelling(ask: Callable[[Any], Any]) -> Case:
    """What is left of two equal numbers is rounding."""

    def forward(m: Any, x: Any) -> Any:
        y = ask(m.a(x).relu())
        total = y @ torch.ones(200, 1, dtype=y.dtype)
        return total - y.sum(1, keepdim=True) + 1e-3

    torch.manual_seed(0)
    return case(net(forward, a=nn.Linear(3, 200)), tensor(2, 3))


@pytest.mark.parametrize("ask", [lambda y: y, lambda y: y.to(torch.float32)])
def test_rounding_that_looks_like_a_mistake_is_settled_in_float64(ask: Any) -> None:
    proof = cancelling(ask).proof(trial=ModuleTrial(runs=3))
    assert proof.masked is not None
    assert proof.masked.precision == "float64"
    assert proof.masked.rounding is not None
    assert proof.masked.rounding > 1e-5
    assert proof.masked.worst <= proof.tolerance == 1e-9
    assert proof.ok


def test_half_precision_has_a_tolerance_of_its_own() -> None:
    module = chain(nn.ReLU(), 2).to(torch.bfloat16)
    proof = case(module, tensor(2, 6).to(torch.bfloat16)).proof()
    assert proof.tolerance == 8e-2
    assert proof.ok


def test_a_module_in_training_mode_is_compared_in_evaluation() -> None:
    module = chain(nn.Sequential(nn.BatchNorm2d(8), nn.Dropout(0.5))).train()
    found = case(module, tensor(2, 3, 6, 6))
    narrowed = found.narrowed()
    assert found.proof(narrowed).ok
    assert module.training
    assert narrowed.module.training
