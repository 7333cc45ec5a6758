"""The masked original of traced modules."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from graphprune.errors import UnsupportedModel  # noqa: E402
from graphprune.passes.verify.torch import Masked  # noqa: E402
from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.passes.verify.torch.proving import Case, case, chain, net  # noqa: E402


def outputs(found: Case, **options: Any) -> Any:
    masked = Masked(found.traced, found.coupling, found.alive, **options)
    (y,) = masked.outputs(found.traced.example)
    return y


def living(found: Case, name: str, axis: int = 0) -> Any:
    """Which of a parameter's indices survive."""
    layer = next(x for x in found.coupling.layers[name] if x.axis == axis)
    return torch.from_numpy(found.alive[layer.line])


def test_nothing_dead_is_the_original() -> None:
    module = chain(torch.nn.LayerNorm(8), rank=2)
    found = case(module, tensor(2, 6))
    found.alive[:] = True
    assert torch.equal(outputs(found), module(*found.traced.example.args))


def test_consumers_are_masked_not_producers() -> None:
    module = chain(torch.nn.Sigmoid())
    found = case(module, tensor(2, 3, 6, 6))
    kept = living(found, "0.weight")
    with torch.no_grad():
        y = module[1](module[0](*found.traced.example.args))
        expected = module[2](y * kept[:, None, None])
    assert 0 < int(kept.sum()) < 8
    torch.testing.assert_close(outputs(found), expected)


def test_dead_channels_may_hold_what_is_not_finite() -> None:
    module = chain(torch.nn.ReLU())
    found = case(module, tensor(2, 3, 6, 6))
    with torch.no_grad():
        module[0].bias[~living(found, "0.weight")] = float("inf")
    assert bool(torch.isfinite(outputs(found)).all())


def test_a_mean_divides_by_the_survivors() -> None:
    module = net(
        lambda m, x: m.b(m.a(x).mean(-1)), a=torch.nn.Linear(3, 8), b=torch.nn.Linear(4, 2)
    )
    found = case(module, tensor(2, 4, 3))
    kept = living(found, "a.weight")
    with torch.no_grad():
        y = module.a(*found.traced.example.args)
        expected = module.b(y[..., kept].mean(-1))
        over_all = module.b((y * kept).mean(-1))
        whole = module.b(y.mean(-1))
    torch.testing.assert_close(outputs(found), expected)
    torch.testing.assert_close(outputs(found, survivors=False), whole)
    assert not torch.allclose(expected, over_all)


NORMS = {
    "layer_norm": (torch.nn.LayerNorm(8), 2),
    "rms_norm": (torch.nn.RMSNorm(8), 2),
    "group_norm": (torch.nn.GroupNorm(1, 8), 4),
}


@pytest.mark.parametrize("name", sorted(NORMS))
def test_norms_run_over_the_survivors(name: str) -> None:
    norm, rank = NORMS[name]
    module = chain(norm, rank)
    found = case(module, tensor(2, 3, 6, 6) if rank == 4 else tensor(2, 6))
    kept = living(found, "0.weight")
    with torch.no_grad():
        y = module[0](*found.traced.example.args)
        whole = module[1](y)
        small = y[:, kept]
        weight, bias = norm.weight[kept], getattr(norm, "bias", torch.zeros(8))[kept]
        if name == "group_norm":
            small = torch.nn.functional.group_norm(small, 1, weight, bias)
        elif name == "rms_norm":
            small = torch.nn.functional.rms_norm(small, (4,), weight)
        else:
            small = torch.nn.functional.layer_norm(small, (4,), weight, bias)
        laid = torch.zeros_like(whole)
        laid[:, kept] = small
        masked = whole * (kept if rank == 2 else kept[:, None, None])
        expected, over_all = module[2](laid), module[2](masked)
    torch.testing.assert_close(outputs(found), expected)
    torch.testing.assert_close(outputs(found, survivors=False), over_all)
    assert not torch.allclose(expected, over_all, rtol=1e-2)


def test_groups_of_a_group_norm_lose_their_own_channels() -> None:
    norm = torch.nn.GroupNorm(2, 8)
    found = case(chain(norm), tensor(1, 3, 4, 4), seed=1)
    kept = living(found, "0.weight")
    assert not torch.equal(kept[:4], kept[4:]), "or else the test shows nothing"
    assert int(kept[:4].sum()) == int(kept[4:].sum()) == 2
    module = found.traced.module
    with torch.no_grad():
        y = module[0](*found.traced.example.args)[:, kept]
        small = torch.nn.functional.group_norm(y, 2, norm.weight[kept], norm.bias[kept])
        weight = module[2].weight[:, kept]
        expected = torch.nn.functional.conv2d(small, weight, module[2].bias)
    torch.testing.assert_close(outputs(found), expected)


def test_products_within_a_region() -> None:
    def frozen(m: Any, x: Any) -> Any:
        with torch.no_grad():
            y = m.b(m.a(x).relu())
        return y + 1

    module = net(frozen, a=torch.nn.Linear(3, 8), b=torch.nn.Linear(8, 2)).requires_grad_(True)
    with torch.enable_grad():
        found = case(module, tensor(2, 3))
    assert "wrap_with_set_grad_enabled" in str(found.traced.program.graph)
    kept = living(found, "a.weight")
    with torch.no_grad():
        hidden = module.a(*found.traced.example.args).relu() * kept
        expected = module.b(hidden) + 1
    torch.testing.assert_close(outputs(found), expected)


def test_an_operand_that_is_read_before_it_is_written_into() -> None:
    def forward(m: Any, x: Any) -> Any:
        y = m.a(x)
        z = m.b(y)
        y.relu_()
        return z + m.c(y)

    parts = {"a": torch.nn.Linear(3, 8), "b": torch.nn.Linear(8, 2), "c": torch.nn.Linear(8, 2)}
    module = net(forward, **parts)
    found = case(module, tensor(2, 3))
    kept = living(found, "a.weight")
    with torch.no_grad():
        y = module.a(*found.traced.example.args) * kept
        expected = module.b(y) + module.c(y.relu())
    torch.testing.assert_close(outputs(found), expected)


def test_an_operand_that_cannot_be_found() -> None:
    found = case(chain(torch.nn.ReLU()), tensor(2, 3, 6, 6))
    lost = {node: "elsewhere" for node in found.traced.values}
    renamed = type(found.traced)(
        found.traced.module, found.traced.program, found.traced.graph,
        found.traced.nodes[:1] * len(found.traced.nodes), lost, found.traced.example,
    )  # fmt: skip
    with pytest.raises(UnsupportedModel, match="cannot be run on masked operands") as caught:
        Masked(renamed, found.coupling, found.alive)
    assert caught.value.why == "none of its arguments is known to be 'relu'"
