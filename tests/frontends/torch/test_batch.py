"""Programs take any batch, whatever the batch of the example; sizes are those of the example."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.frontends.torch import TracedModule, hints, trace  # noqa: E402
from graphprune.frontends.torch.batch import Batch, is_kept  # noqa: E402
from tests.frontends.torch.modules import (  # noqa: E402
    Forward,
    Net,
    assert_faithful,
    body,
    tensor,
)

C, L = torch.nn.Conv2d, torch.nn.Linear


def traced(function: Forward, *inputs: Any, **parts: Any) -> TracedModule:
    found = trace(Net(function, **parts).eval(), inputs)
    assert_faithful(found)
    return found


def assert_runs(found: TracedModule, *inputs: Any) -> None:
    """The program gives what the module gives."""
    torch.testing.assert_close(found.program.module()(*inputs), found.module(*inputs))


def images(s: Any, x: Any) -> Any:
    n, c, h, w = s.a(x).shape
    tokens = torch.cat([s.token.expand(n, -1, -1), s.a(x).view(n, c, h * w).mT], 1)
    return s.b(s.e(tokens)[:, 0])


PARTS: dict[str, Any] = {
    "a": C(3, 8, 1),
    "b": L(8, 2),
    "e": torch.nn.TransformerEncoderLayer(8, 2, 12, batch_first=True),
    "token": torch.nn.Parameter(tensor(1, 1, 8)),
}


@pytest.mark.parametrize("size", [1, 2, 3])
def test_any_batch_traced_with_any_batch(size: int) -> None:
    found = traced(images, tensor(size, 3, 4, 4), **PARTS)
    assert found.fixed == ""
    assert found.example.dynamic_shapes == "auto"
    assert found.graph.values["a.weight"].shape == (8, 3, 1, 1)
    assert [found.graph.values[name].shape for name in found.graph.inputs] == [(size, 3, 4, 4)]
    assert [found.graph.values[name].shape for name in found.graph.outputs] == [(size, 2)]
    for other in (1, 2, 5):
        assert_runs(found, tensor(other, 3, 4, 4))


def test_a_single_example_gives_the_sizes_that_a_fixed_program_has() -> None:
    module, x = Net(images, **PARTS).eval(), tensor(1, 3, 4, 4)
    fixed, free = (trace(module, (x,), dynamic_shapes=d) for d in (None, "auto"))
    assert not any(hints.is_symbolic(n) for n in fixed.nodes[-1].args[0][0].meta["val"].shape)
    computed = [
        [(n.op, found.graph.values[n.outputs[0]].shape) for n in found.graph.nodes]
        for found in (fixed, free)
    ]
    assert computed[0] == computed[1]


def test_the_example_is_the_users_own() -> None:
    x = tensor(1, 3, 4, 4)
    found = traced(images, x, **PARTS)
    assert found.example.args == (x,)
    assert found.program.example_inputs[0] == (x,)
    again = trace(found.program)
    assert again.example.args == (x,)
    assert body(again) == body(found)


def test_all_inputs_of_the_same_leading_size_are_one_batch() -> None:
    found = traced(
        lambda s, x, t, table, parts: s.b(x + t[:, None]) @ table + parts["y"][0],
        tensor(1, 4), tensor(1), tensor(2, 3), {"y": [tensor(1, 3)]}, b=L(4, 2),
    )  # fmt: skip
    assert found.fixed == ""
    for n in (1, 4):
        assert_runs(found, tensor(n, 4), tensor(n), tensor(2, 3), {"y": [tensor(n, 3)]})


def test_keywords_belong_to_the_batch() -> None:
    class Keyed(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, *, y: Any, z: Any = None) -> Any:
            return x + y if z is None else x + y * z

    found = trace(Keyed(), (tensor(1, 4),), {"z": 2, "y": tensor(1, 4)})
    assert_faithful(found)
    assert found.fixed == ""
    result = found.program.module()(tensor(3, 4), y=tensor(3, 4), z=2)
    torch.testing.assert_close(result, 3 * tensor(3, 4))


FIXED: dict[str, tuple[Forward, tuple[Any, ...], str]] = {
    "a squeezed batch": (
        lambda s, x: s.b(x.squeeze()), (tensor(1, 4),), "its size decides what the module computes",
    ),
    "a squeezed first axis": (
        lambda s, x: s.b(x.squeeze(0)), (tensor(1, 4),),
        "its size decides what the module computes",
    ),
    "a size that is written down": (
        lambda s, x: s.b(x.view(1, 4)), (tensor(1, 4),), "",
    ),
    "two batches told apart": (
        lambda s, x, y: torch.cat([x, y]).chunk(2), (tensor(1, 4), tensor(1, 4)),
        "its size decides what the module computes",
    ),
    "no tensor": (lambda s, n: s.b.weight * n, (3,), "no input has a batch dimension"),
    "no axis": (lambda s, x: s.b.weight * x, (tensor(),), "no input has a batch dimension"),
    "nothing in it": (lambda s, x: s.b(x), (tensor(0, 4),), "no input has a batch dimension"),
}  # fmt: skip


@pytest.mark.parametrize("name", FIXED)
def test_a_batch_that_has_to_be_fixed_is_and_says_why(name: str) -> None:
    function, inputs, why = FIXED[name]
    found = traced(function, *inputs, b=L(4, 2))
    assert found.fixed
    assert why in found.fixed
    assert found.example.dynamic_shapes is None
    assert_runs(found, *inputs)


def test_what_fails_with_a_dynamic_batch_is_traced_with_a_fixed_one() -> None:
    x = tensor(2, 4)
    found = traced(lambda s, x: torch.fake_quantize_per_tensor_affine(s.b(x), 0.1, 0, 0, 255), x,
                   b=L(4, 2))  # fmt: skip
    assert "fake_quantize" in found.fixed
    assert not any(name.startswith("_dynamo") for name in vars(x))


def test_the_examples_keep_their_gradients() -> None:
    x = tensor(1, 4).requires_grad_()
    batch = Batch.of((x, 3), {})
    assert batch is not None
    assert batch.args[1] == 3
    assert batch.args[0].shape == (2, 4)
    assert batch.args[0].requires_grad
    assert batch.args[0].is_leaf


def test_other_squeezed_axes_are_no_batch() -> None:
    found = traced(lambda s, x: s.b(x.squeeze(1)).unsqueeze(2).squeeze(-1), tensor(1, 1, 4),
                   b=L(4, 2))  # fmt: skip
    assert found.fixed == ""
    assert is_kept(found.program)
