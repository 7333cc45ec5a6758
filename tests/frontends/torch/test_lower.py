"""Lowering as a whole: what is named, folded, tied, looked into and frozen."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F: Any = torch.nn.functional

from graphprune.frontends.torch import trace  # noqa: E402
from graphprune.ir.text import print_graph  # noqa: E402
from graphprune.passes.couple import couple  # noqa: E402
from tests.frontends.torch.modules import (  # noqa: E402
    Net,
    assert_faithful,
    assert_masked,
    body,
    lines,
    lowered,
    opaque,
    proven,
    tensor,
    widths,
)

C, L = torch.nn.Conv2d, torch.nn.Linear
IMAGE, V = tensor(2, 3, 8, 8), tensor(2, 4)


def test_a_whole_graph() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = F.relu(s.n(s.a(x)), inplace=True)
        return s.o(torch.cat([y, y * 2], 1).mean((2, 3)))

    parts = {"a": C(3, 4, 3, bias=False), "n": torch.nn.BatchNorm2d(4), "o": L(8, 2)}
    assert print_graph(lowered(forward, IMAGE, **parts).graph).strip() == lines("""
        input inputs_0: [2,3,8,8]
        param a.weight: [4,3,3,3]
        param n.weight: [4]
        param n.bias: [4]
        param n.running_mean: [4]
        param n.running_var: [4]
        param o.weight: [2,8]
        param o.bias: [2]
        conv2d: [2,4,6,6] = conv(inputs_0, a.weight) {dilations=[1,1], groups=1, pads=[0,0,0,0], strides=[1,1]}
        batch_norm: [2,4,6,6] = batch_norm(conv2d, n.weight, n.bias, n.running_mean, n.running_var)
        relu_: [2,4,6,6] = pointwise.relu(batch_norm)
        mul: [2,4,6,6] = pointwise.mul(relu_)
        cat: [2,8,6,6] = concat(relu_, mul) {axis=1}
        mean: [2,8] = reduce.mean(cat) {axes=[2,3], keepdims=false}
        "linear~1": [2,2] = contract(mean, o.weight) {equation="ak,zk->az"}
        linear: [2,2] = pointwise.add("linear~1", o.bias)
        return linear
    """)  # noqa: E501


def test_what_nothing_reads_is_left_out() -> None:
    def forward(s: Any, x: Any) -> Any:
        s.b(x)
        x.sum()
        return x + 1

    traced = lowered(forward, V, b=L(4, 4))
    assert [node.op for node in traced.graph.nodes] == ["pointwise.add"]
    assert traced.graph.params == ()


def test_operators_without_a_rule_freeze_and_say_so() -> None:
    traced = lowered(lambda s, x: s.b(torch.fft.fft(s.a(x)).abs()), V, a=L(4, 6), b=L(6, 2))
    assert opaque(traced) == {"fft_fft": "there is no rule for this operator"}
    assert couple(traced.graph).groups == ()


def test_wrong_shapes_would_become_opaque() -> None:
    """A rule that is wrong about a result is caught by what tracing found."""
    from graphprune.frontends.torch.rules import RULES

    rule = RULES["relu"]
    try:
        RULES["relu"] = lambda call, builder: builder.emit(
            "reduce.sum", [call.tensor("self")], axes=(1,), keepdims=False
        )
        traced = lowered(lambda s, x: torch.relu(x) + 1, V)
    finally:
        RULES["relu"] = rule
    assert opaque(traced) == {"relu": "lowered to (2,), not (2, 4)"}
    assert [node.op for node in traced.graph.nodes] == ["opaque", "pointwise.add"]


def test_writing_through_a_view_reaches_what_is_read_later() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = s.a(x)
        flat = y.view(-1)
        flat.relu_()
        y[:, :2].zero_()
        z = torch.zeros_like(y)
        z[:, 2:] = y[:, 2:]
        return s.b(y + z)

    parts = {"a": L(4, 6), "b": L(6, 2)}
    assert proven(forward, V, **parts) == lines("""
        g1[2] a.weight.0 a.bias.0 b.weight.1
        g2[4] a.weight.0 a.bias.0 b.weight.1
    """)
    assert "copy_: [2,4] = pointwise.copy(slice_6, slice_4)" in body(lowered(forward, V, **parts))


def test_writing_shifted_channels_ties_them() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = s.a(x)
        z = y.new_zeros(2, 6)
        z[:, 3:] = y[:, :3]
        return s.b(y + z)

    assert proven(forward, V, a=L(4, 6), b=L(6, 2)) == "g1[3] a.weight.0 a.bias.0 b.weight.1"


def test_writing_by_index_freezes() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = s.a(x)
        y[:, torch.tensor([0, 2])] = x[:, :2]
        return s.b(y)

    traced = lowered(forward, V, a=L(4, 6), b=L(6, 2))
    assert set(opaque(traced)) == {"index_put"}
    assert couple(traced.graph).groups == ()


def test_buffers_that_are_written_follow_the_channels() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = s.a(x)
        s.m.mul_(0.9).add_(y.detach().mean(0), alpha=0.1)
        return s.b(y - s.m)

    parts = {"a": L(4, 6), "b": L(6, 2), "m": torch.nn.Buffer(tensor(6))}
    assert proven(forward, V, **parts) == "g1[6] a.weight.0 a.bias.0 m.0 b.weight.1"
    program = torch.export.export(Net(forward, **parts).eval(), (V,)).run_decompositions()
    assert list(map(str, couple(trace(program).graph))) == [
        "g1[6] a.weight.0 a.bias.0 m.0 b.weight.1"
    ]


def test_regions_are_looked_into() -> None:
    def forward(s: Any, x: Any) -> Any:
        with torch.no_grad():
            y = s.a(x)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            z = s.b(y)
        return s.c(z.float())

    parts = {"a": L(4, 6), "b": L(6, 5), "c": L(5, 2)}
    traced = lowered(forward, V, **parts)
    assert traced.graph.nodes[1].outputs == ("linear/linear",)
    assert traced.nodes[traced.graph.nodes[1].origin[0]].name == "linear"
    assert proven(forward, V, **parts) == lines("""
        g1[6] a.weight.0 a.bias.0 b.weight.1
        g2[5] b.weight.0 b.bias.0 c.weight.1
    """)


def test_branches_freeze_what_they_read() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = s.a(x)
        return s.b(torch.cond(x.sum() > 0, lambda y: s.c(y), lambda y: y * 2, (y,)))

    traced = lowered(forward, V, a=L(4, 6), b=L(6, 2), c=L(6, 6))
    assert opaque(traced) == {"cond": "there is no rule for this operator"}
    assert couple(traced.graph).groups == ()


def test_contents_that_become_a_number_freeze() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = s.a(x)
        n = y.sum().to(torch.int64).item()
        torch._check(n >= 0)
        return s.b(y), x.new_zeros(n, 2)

    traced = lowered(forward, V, a=L(4, 6), b=L(6, 2))
    assert opaque(traced)["item"] == "its contents become a number"
    assert traced.graph.values["new_zeros"].shape is None


def test_lifted_tensors_and_attributes_are_parameters() -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.b(s.a(x) * s.k + torch.tensor([1.0, 2, 3, 4, 5, 6]))

    parts = {"a": L(4, 6), "b": L(6, 2), "k": tensor(6)}
    assert proven(forward, V, **parts) == (
        "g1[6] a.weight.0 a.bias.0 k.0 lifted_tensor_0.0 b.weight.1"
    )


def test_constants_computed_in_place_are_followed() -> None:
    def forward(s: Any, x: Any) -> Any:
        index = torch.zeros(4, dtype=torch.long)
        index[1:3] = torch.arange(2) + 1
        before = x[:, index]
        index += 1
        return before, x[:, index % 4]

    graph = lowered(forward, V).graph
    found = [graph.values[n.inputs[1]].const for n in graph.nodes if n.op == "gather"]
    assert [array.tolist() for array in found if array is not None] == [[0, 1, 2, 0], [1, 2, 3, 1]]


def test_buffers_that_are_written_are_not_known() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = x[:, s.i]
        s.i.add_(1)
        return y

    traced = lowered(forward, V, i=torch.nn.Buffer(torch.tensor([0, 1])))
    assert traced.graph.nodes[0].op == "lookup"


ZOO = (
    "resnet18", "densenet121", "googlenet", "shufflenet_v2_x1_0", "efficientnet_b0",
    "mobilenet_v3_small", "convnext_tiny", "vit_b_16", "swin_t", "swin_v2_t", "maxvit_t",
    "inception_v3", "regnet_y_400mf", "squeezenet1_1",
)  # fmt: skip
# ONNX's exporter computes the first layer of the position networks, whose input is constant.
FOLDED = {"swin_v2_t": {(1, 2): 12}}


def model(name: str) -> tuple[Any, Any]:
    """A network with random weights and an input for it."""
    vision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    torch.manual_seed(0)
    size = 299 if name == "inception_v3" else 224
    return vision.models.get_model(name, weights=None, **options).eval(), tensor(1, 3, size, size)


@pytest.mark.zoo
@pytest.mark.parametrize("name", ZOO)
def test_groups_are_those_of_the_onnx_export(name: str) -> None:
    pytest.importorskip("onnxscript", reason="PyTorch's ONNX exporter is not installed")
    from graphprune.inspection import inspect

    module, x = model(name)
    traced = trace(module, (x,))
    assert_faithful(traced)
    assert opaque(traced) == {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(module, (x,), str(path), dynamo=True, verbose=False)
        expected = widths(inspect(path).coupling)
    found = widths(couple(traced.graph))
    assert found - expected == FOLDED.get(name, {})
    assert expected - found == {}


@pytest.mark.zoo
@pytest.mark.parametrize("name", ZOO)
def test_dead_channels_play_no_part(name: str) -> None:
    module, x = model(name)
    with torch.no_grad():  # zeros and tiny scales would hide a mistake
        for weight in module.parameters():
            if weight.numel() > 1 and float(weight.abs().max()) < 1e-3:
                weight.normal_(0, 0.1)
    traced = trace(module, (x,))
    assert_masked(traced, couple(traced.graph), x)
