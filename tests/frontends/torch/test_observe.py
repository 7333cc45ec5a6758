"""Batches and losses of every kind; the module and the modes around it stay as they were."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.errors import BadData  # noqa: E402
from graphprune.frontends.torch import Observed, trace  # noqa: E402
from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.frontends.torch.observed import (  # noqa: E402
    convnet,
    learnable,
    mean_square,
    own_gradients,
    pairs,
    traced_convnet,
)

F = torch.nn.functional


def test_gradients_are_those_of_the_module() -> None:
    traced, data = traced_convnet(), pairs(2)
    observed = Observed(traced, data, torch.nn.CrossEntropyLoss())
    names = learnable(traced, observed)
    assert set(names) == {n for n, _ in traced.module.named_parameters()}
    batches = list(observed.gradients(names))
    assert len(batches) == 2
    for (x, y), found in zip(data, batches, strict=True):
        loss = partial(lambda x, y: F.cross_entropy(traced.module(x), y), x, y)
        own = own_gradients(traced.module, loss)
        for name in names:
            assert found[name].dtype == np.float32
            np.testing.assert_array_equal(found[name], own[name])


@pytest.mark.parametrize(
    "loss",
    [
        torch.nn.CrossEntropyLoss(),
        F.cross_entropy,
        partial(F.cross_entropy, label_smoothing=0.0),
        lambda module, batch: F.cross_entropy(module(batch[0]), batch[1]),
    ],
)
def test_a_loss_is_of_outputs_and_targets_or_of_a_module_and_a_batch(loss: Any) -> None:
    traced, data = traced_convnet(), pairs(1)
    found = next(Observed(traced, data, loss).gradients(["0.weight"]))
    expected = own_gradients(
        traced.module, lambda: F.cross_entropy(traced.module(data[0][0]), data[0][1])
    )
    np.testing.assert_array_equal(found["0.weight"], expected["0.weight"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_floats_are_widened(dtype: Any) -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3))
    module = module.to(dtype).eval()
    traced = trace(module, (tensor(2, 4).to(dtype),))
    observed = Observed(traced, [tensor(5, 4)], mean_square)
    assert next(observed.activations(["relu"]))["relu"].dtype == np.float32
    found = next(observed.gradients(["0.weight"]))["0.weight"]
    own = own_gradients(module, lambda: mean_square(module, tensor(5, 4).to(dtype)))
    assert found.dtype == np.float32
    # The loss of float16 is scaled by a power of two: gradients differ in what else underflows.
    np.testing.assert_allclose(found, own["0.weight"].float(), rtol=2e-3, atol=1e-5)


def test_gradients_that_float16_rounds_to_zero_are_kept() -> None:
    torch.manual_seed(0)
    module = torch.nn.Linear(4, 3).half().eval()
    traced = trace(module, (tensor(2, 4).half(),))
    x = tensor(5, 4)

    def tiny(module: Any, batch: Any) -> Any:
        return mean_square(module, batch) * 1e-7

    assert not own_gradients(module, lambda: tiny(module, x.half()))["weight"].any()
    found = next(Observed(traced, [x], tiny).gradients(["weight"]))["weight"]
    own = own_gradients(module.float(), lambda: tiny(module, x))["weight"]
    np.testing.assert_allclose(found, own, rtol=1e-2, atol=1e-10)


def state(module: Any) -> dict[str, Any]:
    """Everything that observing must leave alone."""
    found: dict[str, Any] = {n: (p, p.requires_grad, p.grad) for n, p in module.named_parameters()}
    found |= {f"mode of {n}": part.training for n, part in module.named_modules()}
    return found


@pytest.mark.parametrize("training", [False, True])
def test_the_module_stays_as_it_was(training: bool) -> None:
    module = convnet().train(training)
    module[3].weight.requires_grad_(False)
    module[0].weight.grad = torch.ones_like(module[0].weight)
    traced = trace(module, (tensor(2, 3, 8, 8),))
    before = state(module)
    contents = {n: t.clone() for n, t in module.state_dict().items()}
    data = pairs(1)
    inputs = data[0][0].clone()
    observed = Observed(traced, data, F.cross_entropy)
    frozen = next(observed.gradients(["3.weight", "conv2d"]))["3.weight"]
    next(observed.activations(["relu_"]))
    assert frozen.any()  # gradients do not depend on requires_grad
    after = state(module)
    assert before.keys() == after.keys()
    assert all(a is b if not isinstance(a, tuple) else all(map(lambda x, y: x is y, a, b))
               for a, b in zip(before.values(), after.values(), strict=True))  # fmt: skip
    assert all(torch.equal(contents[n], t) for n, t in module.state_dict().items())
    assert bool((module[0].weight.grad == 1).all())
    assert torch.equal(inputs, data[0][0]) and not data[0][0].requires_grad


def test_modes_around_the_caller_play_no_part() -> None:
    traced, data = traced_convnet(), pairs(2)
    observed = Observed(traced, data, F.cross_entropy)
    plain = list(observed.gradients(["0.weight", "relu_"]))
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        for expected, found in zip(plain, observed.gradients(["0.weight", "relu_"]), strict=True):
            # Between batches the caller's own modes are on.
            assert torch.is_inference_mode_enabled() and torch.is_autocast_enabled("cpu")
            for name in expected:
                np.testing.assert_array_equal(found[name], expected[name])


def test_lists_are_read_as_often_as_needed_and_iterators_once() -> None:
    traced, data = traced_convnet(), pairs(3)
    names = ["relu_"]
    observed = Observed(traced, data)
    assert [len(list(observed.activations(names))) for _ in range(2)] == [3, 3]
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(tensor(5, 3, 8, 8), torch.arange(5)), batch_size=2
    )
    observed = Observed(traced, loader)
    shapes = [[x["relu_"].shape[0] for x in observed.activations(names)] for _ in range(2)]
    assert shapes == [[2, 2, 1]] * 2
    observed = Observed(traced, iter(data))
    assert len(list(observed.activations(names))) == 3
    with pytest.raises(BadData) as caught:
        observed.activations(names)
    assert str(caught.value) == (
        "BadData: data can be read only once\n"
        "  why:   it is of type 'list_iterator', an iterator, and this is a second pass\n"
        "  fix:   give a list of batches or a DataLoader"
    )


def test_progress_is_told_batch_by_batch() -> None:
    traced, told = traced_convnet(), list[tuple[int, int | None]]()
    names = ["relu_"]
    list(Observed(traced, pairs(2), progress=lambda *x: told.append(x)).activations(names))
    list(Observed(traced, iter(pairs(1)), progress=lambda *x: told.append(x)).activations(names))
    assert told == [(1, 2), (2, 2), (1, None)]


LOSSES: dict[str, tuple[Any, str]] = {
    "none": (None, "gradients need a loss"),
    "not reduced": (
        torch.nn.CrossEntropyLoss(reduction="none"),
        "the loss is no scalar\n"
        "  where: batch 1\n"
        "  why:   what it gives is one Tensor of shape (3,)\n"
        "  fix:   give a tensor of one element, such as the mean over the batch",
    ),
    "number": (lambda module, batch: module(batch[0]).sum().item(), "is of type 'float'"),
    "infinite": (
        lambda module, batch: module(batch[0]).sum() / 0,
        "the loss is not finite\n  where: batch 1\n  why:   it is",
    ),
    "another module": (
        lambda module, batch: torch.ones((), requires_grad=True) * 1,
        "the loss does not depend on the module\n"
        "  where: batch 1\n"
        "  why:   it never calls the module it is given\n"
        "  fix:   compute it from module(inputs): loss(module, batch)",
    ),
    "detached": (
        lambda module, batch: module(batch[0]).detach().sum(),
        "why:   what it gives has no gradient",
    ),
    "a part": (
        lambda module, batch: module.head(batch[0]),
        "why:   a loss can call the module, but cannot have its 'head'",
    ),
    "of outputs": (
        lambda outputs, targets: F.cross_entropy(outputs, targets),
        "any other is called as loss(module, batch)",
    ),
    "overflow": (
        lambda module, batch: (module(batch[0]).sum() * 1e-30).sqrt() * 0,
        "the gradient of '0.weight' is not finite\n  where: batch 1\n  why:   with a loss of",
    ),
}


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_losses_that_cannot_be_used_say_why(name: str) -> None:
    loss, text = LOSSES[name]
    traced = traced_convnet()
    if name == "overflow":  # a square root of 0 has no finite slope
        for parameter in traced.module[7].parameters():
            parameter.data.zero_()
    with pytest.raises(BadData) as caught:
        next(Observed(traced, pairs(1), loss).gradients(["0.weight"]))
    assert text in str(caught.value)


def test_batches_that_cannot_be_used_say_why() -> None:
    traced = traced_convnet()
    with pytest.raises(BadData, match="data holds no batches"):
        next(Observed(traced, []).activations(["relu_"]))
    with pytest.raises(BadData, match="data cannot be read in batches"):
        Observed(traced, 3)  # type: ignore[arg-type]
    with pytest.raises(BadData, match="a batch cannot be split into inputs and targets") as caught:
        next(Observed(traced, [tensor(2, 3, 8, 8)], F.cross_entropy).gradients(["0.weight"]))
    assert str(caught.value).endswith(
        "why:   it is one Tensor of shape (2, 3, 8, 8); the module takes 'input'\n"
        "  fix:   give pairs (inputs, targets), or a loss that is called as loss(module, batch)"
    )
