"""Tracing gives a graph and the way back, and leaves the module as it was."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.errors import UnsupportedModel  # noqa: E402
from graphprune.frontends.torch import trace  # noqa: E402
from graphprune.passes.couple import couple  # noqa: E402
from tests.frontends.torch.modules import (  # noqa: E402
    Net,
    assert_faithful,
    assert_masked,
    lines,
    lowered,
    opaque,
    tensor,
    widths,
)

C, L = torch.nn.Conv2d, torch.nn.Linear
IMAGE, V = tensor(2, 3, 8, 8), tensor(2, 4)


def residual() -> Any:
    def forward(s: Any, x: Any) -> Any:
        y = torch.relu(s.n(s.a(x)))
        return s.c(y + s.b(y))

    return Net(forward, a=C(3, 6, 1), n=torch.nn.BatchNorm2d(6), b=C(6, 6, 1), c=C(6, 2, 1))


def test_the_way_back() -> None:
    module = residual().eval()
    traced = trace(module, (IMAGE,))
    assert traced.module is module
    assert traced.nodes == tuple(traced.program.graph.nodes)
    conv = traced.graph.nodes[0]
    assert [str(traced.nodes[i].target) for i in conv.origin] == ["aten.conv2d.default"]
    assert [node.label for node in traced.graph.nodes] == [
        "a.conv2d", "n.batch_norm", "relu", "b.conv2d", "add", "c.conv2d",
    ]  # fmt: skip
    assert {traced.values[node] for node in traced.nodes if node.name == "relu"} == {"relu"}
    assert {v.name: v.source for v in traced.graph.params}["n.running_var"] == "n.running_var"


def test_contents_are_the_modules_own_and_read_only() -> None:
    module = residual()
    traced = trace(module, (IMAGE,))
    for value in traced.graph.params:
        array = traced.contents(value.name)
        assert array.shape == value.shape
        np.testing.assert_array_equal(array, module.state_dict()[value.source].numpy())
        assert not array.flags.writeable


def test_narrow_types_are_widened() -> None:
    module = Net(lambda s, x: s.a(x), a=L(4, 6)).bfloat16()
    traced = trace(module, (V.bfloat16(),))
    assert traced.graph.values["a.weight"].dtype == "bfloat16"
    assert traced.contents("a.weight").dtype == np.float32


def test_tensors_without_storage_have_no_contents() -> None:
    traced = trace(L(2, 3, device="meta"), (torch.empty(1, 2, device="meta"),))
    with pytest.raises(UnsupportedModel) as caught:
        traced.contents("weight")
    assert str(caught.value) == lines("""
        UnsupportedModel: the contents of 'weight' cannot be read
          why:   the tensor has no storage
          fix:   load the weights before tracing
    """)


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="an object of type 'int' cannot be traced"):
        trace(5)


def test_tied_parameters_are_one() -> None:
    table = torch.nn.Embedding(10, 6)
    head = L(6, 10, bias=False)
    head.weight = table.weight
    traced = lowered(
        lambda s, i: s.h(s.m(s.t(i))), torch.tensor([[1, 2]]), t=table, m=L(6, 6), h=head
    )
    tied = {"t.weight", "h.weight"} & {value.name for value in traced.graph.params}
    assert len(tied) == 1
    groups = "\n".join(map(str, couple(traced.graph))).replace(tied.pop(), "table")
    assert groups == "g1[6] table.1 m.weight.0 m.weight.1 m.bias.0"


def test_a_module_called_twice_has_one_value_a_parameter() -> None:
    traced = lowered(lambda s, x: s.a(s.a(x)), V, a=L(4, 4))
    assert [v.name for v in traced.graph.params] == ["a.weight", "a.bias"]


def test_a_parameter_may_be_called_like_a_node() -> None:
    parts = {"add": torch.nn.Parameter(tensor(4)), "inputs_0": torch.nn.Parameter(tensor(4))}
    traced = lowered(lambda s, x: x + s.add + s.inputs_0, V, **parts)
    named = {v.source: v.name for v in traced.graph.params}
    assert named == {"add": "p_add", "inputs_0": "p_inputs_0"}
    np.testing.assert_array_equal(traced.contents("p_add"), parts["add"].detach().numpy())


def test_keywords_and_nested_results() -> None:
    class Keyed(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, *, scale: Any, times: int = 2) -> Any:
            return {"y": x * scale * times, "more": (x, [scale.sum(), 3])}

    traced = trace(Keyed(), (V,), {"scale": tensor(4), "times": 3})
    assert_faithful(traced)
    assert traced.graph.inputs == ("x", "scale")
    assert traced.graph.outputs == ("mul_1", "x", "sum_1")


def test_a_single_tensor_is_a_sequence_of_one() -> None:
    assert len(trace(L(4, 2), V).graph.inputs) == 1


def text(module: Any, x: Any = IMAGE, **options: Any) -> str:
    traced = trace(module, (x,), **options)
    assert_faithful(traced)
    return "\n".join(map(str, couple(traced.graph)))


def test_exported_programs_are_accepted() -> None:
    module = residual().eval()
    expected = text(module)
    program = torch.export.export(module, (IMAGE,))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    for given in (program, program.run_decompositions(), torch.export.load(buffer)):
        traced = trace(given)
        assert traced.program is given
        assert_faithful(traced)
        coupling = couple(traced.graph)
        assert "\n".join(map(str, coupling)) == expected
        assert_masked(traced, coupling, IMAGE)


DECOMPOSED: dict[str, tuple[Any, Any]] = {
    "attention": (torch.nn.TransformerEncoderLayer(16, 2, 24, batch_first=True), tensor(1, 5, 16)),
    "recurrent": (torch.nn.Sequential(torch.nn.GRU(4, 6), torch.nn.Identity()), tensor(5, 2, 4)),
    "windows": (
        torch.nn.Sequential(
            C(3, 6, 1), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), L(6, 8), torch.nn.GELU(),
            L(8, 2),
        ),
        IMAGE,
    ),
    "borders": (
        torch.nn.Sequential(
            torch.nn.Conv2d(3, 6, 3, padding=1, padding_mode="reflect"), torch.nn.PReLU(6),
            torch.nn.GroupNorm(3, 6), torch.nn.Upsample(scale_factor=2, mode="bilinear"),
            torch.nn.MaxPool2d(2), torch.nn.PixelShuffle(1), C(6, 2, 1),
        ),
        IMAGE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DECOMPOSED)
def test_decomposed_programs_have_the_same_groups(name: str) -> None:
    module, x = DECOMPOSED[name]
    traced = trace(module.eval(), (x,))
    decomposed = trace(traced.program.run_decompositions())
    assert_faithful(decomposed)
    assert opaque(decomposed) == {}
    one, other = couple(traced.graph), couple(decomposed.graph)
    assert widths(one) == widths(other)
    assert {frozenset(map(str, g.members)) for g in one} == {
        frozenset(map(str, g.members)) for g in other
    }
    assert_masked(decomposed, other, x)


def test_symbolic_extents_have_the_sizes_of_the_example() -> None:
    def forward(s: Any, x: Any) -> Any:
        n, _, h, w = x.shape
        y = s.a(x).reshape(n, 6, h * w).new_zeros(n, 6, h * w) + s.a(x).flatten(2)
        return s.b(y.view(n, -1, h, w))

    module = Net(forward, a=C(3, 6, 1), b=C(6, 2, 1)).eval()
    dims = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    shapes = {"inputs": (dims,)}
    traced = trace(module, (IMAGE,), dynamic_shapes=shapes)
    assert any(isinstance(n, torch.SymInt) for n in traced.nodes[-1].args[0][0].meta["val"].shape)
    assert traced.graph.values[traced.graph.outputs[0]].shape == (2, 2, 8, 8)
    assert text(module, dynamic_shapes=shapes) == text(module)


def test_training_mode_is_traced_as_it_stands() -> None:
    module = residual().train()
    module.b.eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    expected = text(module)
    assert module.training
    assert module.n.training
    assert not module.b.training
    for name, held in module.state_dict().items():
        assert torch.equal(held, before[name])
    decomposed = trace(torch.export.export(module, (IMAGE,)).run_decompositions())
    assert_faithful(decomposed)
    assert "\n".join(map(str, couple(decomposed.graph))) == expected


def test_modules_are_left_as_they_were() -> None:
    module = torch.nn.LSTM(4, 6, 2, bidirectional=True).eval()
    held = [id(weight) for weight in module._flat_weights]
    x = tensor(5, 2, 4)
    before = module(x)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace(module, (x,))
    assert [id(weight) for weight in module._flat_weights] == held
    assert torch.equal(module(x)[0], before)
