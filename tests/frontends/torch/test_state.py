"""What a module does to itself while it is traced is undone."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.errors import UnsupportedModel  # noqa: E402
from graphprune.frontends.torch import trace  # noqa: E402
from graphprune.frontends.torch.state import as_it_was, operator_by_operator  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402

L = torch.nn.Linear
V = tensor(2, 4)


def test_attributes_containers_and_modes() -> None:
    module = Net(lambda s, x: x, a=L(4, 2))
    module.seen, module.named, module.size = [1], {"a": 1}, 3
    before = {name: id(held) for name, held in vars(module).items()}
    with as_it_was(module):
        module.seen.append(2)
        module.named["b"] = 2
        module.size, module.fresh = 4, 5
        module.eval()
        module.b = L(2, 2)
        module.a.weight = None
        module.a.register_forward_hook(print)
    assert (module.seen, module.named, module.size) == ([1], {"a": 1}, 3)
    assert {name: id(held) for name, held in vars(module).items()} == before
    assert list(module.state_dict()) == ["a.weight", "a.bias"]
    assert module.training
    assert module.a.training
    assert not module.a._forward_hooks


def keeping(s: Any, x: Any) -> Any:
    s.cache = x
    s.results.append(x + 1)
    return s.a(x)


def failing(s: Any, x: Any) -> Any:
    s.cache = x
    s.eval()
    return s.a(x[:, : int(x.sum())])


def test_tensors_without_contents_are_not_left_behind() -> None:
    module = Net(keeping, a=L(4, 2), results=[])
    trace(module, (V,))
    assert not hasattr(module, "cache")
    assert module.results == []


def test_nor_when_tracing_fails() -> None:
    module = Net(failing, a=L(4, 2))
    with pytest.raises(UnsupportedModel):
        trace(module, (V,))
    assert not hasattr(module, "cache")
    assert module.training


def test_gradients_and_hooks() -> None:
    module = Net(lambda s, x: s.a(x), a=L(4, 2))
    module(V).sum().backward()
    gradient, calls = module.a.weight.grad, []
    held = gradient.clone()
    handles = [
        module.a.register_forward_pre_hook(lambda m, x: calls.append("before")),
        module.a.register_forward_hook(lambda m, x, y: y * 2),
        module.register_full_backward_hook(lambda m, x, y: calls.append("backward")),
    ]
    traced = trace(module, (V,))
    assert "mul" in traced.graph.outputs
    assert module.a.weight.grad is gradient
    assert torch.equal(gradient, held)
    assert module.a.weight.requires_grad
    assert (len(module.a._forward_hooks), len(module._backward_hooks)) == (1, 1)
    calls.clear()
    module(V).sum().backward()
    assert calls == ["before", "backward"]
    for handle in handles:
        handle.remove()


def test_fused_transformer_layers_are_off_only_meanwhile() -> None:
    with operator_by_operator():
        assert not torch.backends.mha.get_fastpath_enabled()
    assert torch.backends.mha.get_fastpath_enabled()
    layer = torch.nn.TransformerEncoderLayer(8, 2, 12, batch_first=True).eval()
    layer.requires_grad_(False)
    with torch.no_grad():
        traced = trace(layer, (tensor(1, 3, 8),))
    assert not [node for node in traced.graph.nodes if node.family == "opaque"]
    assert torch.backends.mha.get_fastpath_enabled()
