"""Second derivatives, against torch's own products of a Hessian with a vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch.func import functional_call  # noqa: E402
from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: E402

from graphprune.errors import BadData, UnsupportedModel  # noqa: E402
from graphprune.frontends.torch import Observed, trace  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402
from tests.frontends.torch.observed import (  # noqa: E402
    Recurrent,
    convnet,
    encoder,
    learnable,
    linears,
    mean_square,
)


def own_products(module: Any, loss: Callable[[Any], Any]) -> dict[str, Any]:
    """H g of a loss of the module's outputs, by parameter."""
    named = {name: p.detach() for name, p in module.named_parameters()}

    def of(*values: Any) -> Any:
        given = dict(zip(named, values, strict=True))
        return loss(lambda x: functional_call(module, given, (x,)))

    with sdpa_kernel(SDPBackend.MATH):
        gradient = torch.autograd.functional.jacobian(of, tuple(named.values()))
        _, product = torch.autograd.functional.hvp(of, tuple(named.values()), gradient)
    return dict(zip(named, product, strict=True))


@pytest.mark.parametrize(
    ("make", "shape"),
    [(convnet, (3, 3, 8, 8)), (Recurrent, (3, 4, 6)), (encoder, (3, 4, 8))],
    ids=["convolutions", "recurrent", "transformer"],
)
def test_products_are_those_of_the_hessian_and_the_mean_gradient(make: Any, shape: Any) -> None:
    torch.manual_seed(0)
    module = make().double().eval()
    batches = [tensor(*shape, seed=i).double() for i in range(2)]
    traced = trace(module, (batches[0],))
    observed = Observed(traced, batches, fourth_power)
    names = learnable(traced, observed)
    found = list(observed.hessian_gradients(names, 2.0))
    # By hand of the mean loss at once: the outputs of both batches together.
    own = own_products(
        module, lambda run: sum(fourth_power(run, x, 2.0) for x in batches) / len(batches)
    )
    assert names
    for name in names:
        mean = np.mean([batch[name] for batch in found], axis=0)
        expected = own[traced.graph.values[name].source]
        np.testing.assert_allclose(mean, expected, rtol=1e-7, atol=1e-12)


def fourth_power(module: Any, batch: Any, temperature: float = 1.0) -> Any:
    """A loss whose Hessian depends on the outputs."""
    return (module(batch) / temperature).square().square().mean()


def test_a_loss_that_is_linear_in_the_parameters_has_no_curvature() -> None:
    torch.manual_seed(0)
    module = torch.nn.Linear(4, 3)
    traced = trace(module, (tensor(2, 4),))
    observed = Observed(traced, [tensor(5, 4)], lambda module, x: module(x).mean())
    (found,) = observed.hessian_gradients(["weight", "bias"])
    assert not found["weight"].any() and found["weight"].shape == (3, 4)
    assert not found["bias"].any()


def test_what_the_loss_does_not_depend_on_has_products_of_zero() -> None:
    torch.manual_seed(0)
    module = Net(lambda self, x: (self.a(x), self.b(x)), **linears(a=(4, 3), b=(4, 2))).eval()
    traced = trace(module, (tensor(2, 4),))
    observed = Observed(traced, [tensor(5, 4)], lambda module, x: module(x)[0].square().mean())
    (found,) = observed.hessian_gradients(["a.weight", "b.weight"])
    assert found["a.weight"].any()
    assert not found["b.weight"].any() and found["b.weight"].shape == (2, 4)


def test_the_module_stays_as_it_was() -> None:
    module = convnet()
    before = {name: (p, p.clone(), p.requires_grad) for name, p in module.named_parameters()}
    traced = trace(module, (tensor(2, 3, 8, 8),))
    next(Observed(traced, [tensor(2, 3, 8, 8)], mean_square).hessian_gradients(["0.weight"]))
    for name, p in module.named_parameters():
        same, contents, wanted = before[name]
        assert p is same and p.grad is None and p.requires_grad == wanted
        assert torch.equal(p, contents)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_floats_are_refused(dtype: Any) -> None:
    traced = trace(torch.nn.Linear(4, 3).to(dtype), (tensor(2, 4).to(dtype),))
    with pytest.raises(UnsupportedModel) as caught:
        Observed(traced, [tensor(2, 4)], mean_square).hessian_gradients(["weight"])
    assert str(caught.value) == (
        "UnsupportedModel: second derivatives need float32\n"
        "  where: weight\n"
        f"  why:   its elements are {str(dtype).removeprefix('torch.')}\n"
        "  fix:   score the module in float32: module.float(); or choose another criterion"
    )


def test_an_iterator_is_refused_before_it_is_read() -> None:
    traced, batches = trace(torch.nn.Linear(4, 3), (tensor(2, 4),)), iter([tensor(2, 4)])
    with pytest.raises(BadData, match="data can be read only once"):
        Observed(traced, batches, mean_square).hessian_gradients(["weight"])
    assert len(list(batches)) == 1
