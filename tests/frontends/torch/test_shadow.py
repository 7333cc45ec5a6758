"""What the stand-in of a module shows is what goes on in the module itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.errors import BadData, UnsupportedModel  # noqa: E402
from graphprune.frontends.torch import Observed, trace  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402
from tests.frontends.torch.observed import (  # noqa: E402
    Recurrent,
    assert_own_gradients,
    convnet,
    encoder,
    linears,
    mean_square,
    pairs,
    traced_convnet,
)

F = torch.nn.functional


def test_a_module_traced_in_training_mode_is_observed_in_evaluation_mode() -> None:
    assert_own_gradients(
        convnet().train(),
        (tensor(2, 3, 8, 8),),
        mean_square,
        tensor(3, 3, 8, 8, seed=1),
    )


def regions(self: Any, x: Any) -> Any:
    x = self.a(x).relu()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = self.b(x).relu().float()
    with torch.no_grad():
        z = self.b(x)
    return self.c(y + z)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (Recurrent, (3, 4, 6)),
        (encoder, (3, 4, 8)),
        (lambda: Net(regions, **linears(a=(6, 7), b=(7, 7), c=(7, 2))), (3, 6)),
    ],
    ids=["recurrent", "transformer", "autocast and no_grad"],
)
def test_gradients_of_other_architectures(make: Any, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    module = make().eval()
    assert_own_gradients(module, (tensor(*shape),), mean_square, tensor(*shape, seed=1))


def test_uses_of_a_tied_parameter_are_summed() -> None:
    torch.manual_seed(0)
    table, head = torch.nn.Embedding(11, 6), torch.nn.Linear(6, 11, bias=False)
    head.weight = table.weight
    module = Net(lambda self, x: self.head(self.table(x).tanh()), table=table, head=head).eval()
    tokens = torch.arange(12).reshape(3, 4) % 11
    assert_own_gradients(module, (tokens,), mean_square, tokens.flip(0))


def test_gradients_of_computed_values_are_those_before_anything_writes_into_them() -> None:
    traced, (x, y) = traced_convnet(), pairs(1)[0]
    names = ["x" if "x" in traced.graph.values else "input", "conv2d", "batch_norm", "relu_"]
    found = next(Observed(traced, [(x, y)], F.cross_entropy).gradients(names))
    x = x.clone().requires_grad_()
    layers = traced.module
    conv = layers[0](x)
    norm = layers[1](conv)
    act = norm.relu()
    rest = F.cross_entropy(layers[3:](act), y)
    own = torch.autograd.grad(rest, [x, conv, norm, act])
    for name, gradient in zip(names, own, strict=True):
        np.testing.assert_allclose(found[name], gradient, rtol=1e-5, atol=1e-8)


def test_what_the_loss_does_not_depend_on_has_gradient_zero() -> None:
    torch.manual_seed(0)
    parts = linears(a=(4, 3), b=(4, 2))
    traced = trace(Net(lambda self, x: (self.a(x), self.b(x)), **parts).eval(), (tensor(2, 4),))
    data = [tensor(2, 4)]
    loss = Observed(traced, data, lambda module, batch: module(batch)[0].sum())
    found = next(loss.gradients(["b.weight", "linear_1"]))
    assert found["b.weight"].shape == (2, 4)
    assert found["linear_1"].shape == (2, 2)
    assert not found["b.weight"].any() and not found["linear_1"].any()


def test_activations_are_what_hooks_see() -> None:
    traced, data = traced_convnet(), pairs(2, size=5)
    names = ["conv2d", "batch_norm", "relu_", "conv2d_1", "linear"]
    seen: dict[int, Any] = {}
    for i in (0, 1, 2, 3, 7):
        traced.module[i].register_forward_hook(
            lambda part, args, out, i=i: seen.__setitem__(i, out.clone())
        )
    for (x, _), found in zip(data, Observed(traced, data).activations(names), strict=True):
        with torch.no_grad():
            traced.module(x)
        assert list(seen) == [0, 1, 2, 3, 7]
        for name, own in zip(names, seen.values(), strict=True):
            assert found[name].dtype == np.float32
            np.testing.assert_array_equal(found[name], own)


def test_every_computed_value_of_the_graph_can_be_observed_but_for_steps_of_an_operator() -> None:
    torch.manual_seed(0)
    traced = trace(encoder().eval(), (tensor(2, 4, 8),))
    names = [v.name for v in traced.graph.values.values() if "~" not in v.name]
    found = next(Observed(traced, tensor(2, 4, 8)).activations(names))
    for name in names:
        assert found[name].shape == traced.graph.values[name].shape, name


def test_values_that_cannot_be_observed_are_refused_at_once() -> None:
    traced = traced_convnet()
    observed = Observed(traced, pairs(1), F.cross_entropy)
    steps = [name for name in traced.graph.values if "~" in name]
    assert steps
    with pytest.raises(UnsupportedModel, match=f"'{steps[0]}' cannot be observed"):
        observed.activations(["relu_", steps[0]])
    with pytest.raises(UnsupportedModel, match="'nothing' cannot be observed") as caught:
        observed.gradients(["nothing"])
    assert caught.value.why == "the graph has no such value"
    tokens = torch.zeros(2, 3, dtype=torch.int64)
    traced = trace(torch.nn.Embedding(4, 3).eval(), (tokens,))
    with pytest.raises(UnsupportedModel, match="'input' has no gradient"):
        Observed(traced, [tokens], mean_square).gradients(["input"])


def test_a_value_that_is_computed_twice_has_no_single_gradient() -> None:
    def loss(module: Any, batch: Any) -> Any:
        return F.mse_loss(module(batch[0]), module(batch[0].flip(0)))

    traced = traced_convnet()
    observed = Observed(traced, pairs(1), loss)
    assert next(observed.gradients(["0.weight"]))["0.weight"].any()
    with pytest.raises(BadData, match="'relu_' has no single gradient"):
        next(observed.gradients(["relu_"]))


def test_a_loss_may_weigh_the_parameters_and_read_the_configuration() -> None:
    traced, data = traced_convnet(), pairs(1)
    traced.module.decay = 0.5

    def loss(module: Any, batch: Any) -> Any:
        return module.decay * sum(p.square().sum() for p in module.parameters()) + (
            0 * module(batch[0]).sum()
        )

    found = next(Observed(traced, data, loss).gradients(["0.weight"]))
    np.testing.assert_allclose(found["0.weight"], traced.module[0].weight.detach(), rtol=1e-6)
