"""A tensor is cut once, under whatever names a module holds it."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.errors import UnsupportedModel  # noqa: E402
from graphprune.frontends.torch import trace  # noqa: E402
from graphprune.passes.narrow.torch.tensors import (  # noqa: E402
    Cutting,
    Piece,
    names,
    pieces,
    places,
    unread,
)
from tests.frontends.torch.modules import Net, lines, tensor  # noqa: E402
from tests.passes.narrow.torch.networks import IMAGE, Convs, Plan, own, shapes  # noqa: E402

nn = torch.nn
V = tensor(2, 5)


def tied() -> Any:
    net = Net(lambda s, x: s.c(torch.relu(s.a(x)) + torch.relu(s.b(x))),
              a=nn.Linear(5, 8), b=nn.Linear(5, 8), c=nn.Linear(8, 3))  # fmt: skip
    net.b.weight = net.a.weight
    return net


def test_tied_parameters_stay_one() -> None:
    found = own(tied(), V)
    assert found.module.a.weight is found.module.b.weight
    assert found.module.a.weight.shape == (4, 5)


def test_two_parameters_over_one_memory_go_on_sharing_it() -> None:
    net = tied()
    net.b.weight = nn.Parameter(net.a.weight.data)
    Plan(net.eval(), V).proven(inplace=True, strict=True)
    assert net.b.weight is not net.a.weight
    assert net.b.weight.data_ptr() == net.a.weight.data_ptr()


def test_names_of_a_tied_tensor() -> None:
    found = places(Plan(tied().eval(), V).traced)
    assert names(found["a.weight"]) == ("a.weight", "b.weight")


def test_buffers_and_plain_tensors() -> None:
    net = Net(lambda s, x: s.b(s.a(x) * s.kept + s.loose + s.bag["of"][0] + s.passing),
              a=nn.Linear(5, 8), b=nn.Linear(8, 3), loose=tensor(8),
              bag={"of": [tensor(8, seed=1)]})  # fmt: skip
    net.register_buffer("kept", tensor(8, seed=2))
    net.register_buffer("passing", tensor(8, seed=3), persistent=False)
    module = own(net, V).module
    held = (module.loose, module.bag["of"][0], module.kept, module.passing)
    assert [tuple(t.shape) for t in held] == [(4,)] * 4
    assert sorted(module.state_dict()) == ["a.bias", "a.weight", "b.bias", "b.weight", "kept"]
    assert net.loose.shape == (8,)


@pytest.mark.parametrize("how", ["weight_norm", "spectral_norm"])
def test_parametrizations(how: str) -> None:
    parametrize = getattr(torch.nn.utils.parametrizations, how)
    net = Net(lambda s, x: s.b(torch.relu(s.a(x))), a=parametrize(nn.Linear(5, 8)),
              b=parametrize(nn.Linear(8, 3)))  # fmt: skip
    found = own(net, V)
    assert (found.module.a.out_features, found.module.b.in_features) == (4, 4)
    assert found.module.a.weight.shape == (4, 5)


def test_weight_norm_by_hooks() -> None:
    net = Net(lambda s, x: s.b(torch.relu(s.a(x))), b=nn.Conv2d(8, 2, 1),
              a=torch.nn.utils.weight_norm(nn.Conv2d(3, 8, 1)))  # fmt: skip
    net(IMAGE)  # leaves a computed weight behind, which deepcopy alone refuses
    module = own(net, IMAGE).module
    assert shapes(module)["a.weight_v"] == (4, 3, 1, 1)


def test_a_cut_is_taken_back() -> None:
    net = Convs().eval()
    net(IMAGE).sum().backward()
    plan, cutting = Plan(net, IMAGE), Cutting()
    before = {name: (p, p.data_ptr(), p.grad) for name, p in net.named_parameters()}
    found = places(plan.traced)
    for piece in pieces(plan.coupling, plan.alive):
        cutting.cut(net, piece, found[piece.source])
    assert net.a.weight.shape == net.a.weight.grad.shape == (4, 3, 3, 3)
    cutting.undo()
    for name, (parameter, place, gradient) in before.items():
        now = net.get_parameter(name)
        assert (now is parameter, now.data_ptr(), now.grad is gradient) == (True, place, True)


def test_a_tensor_that_the_module_does_not_hold() -> None:
    with pytest.raises(UnsupportedModel) as caught:
        Cutting().cut(Convs(), Piece("elsewhere", ()), ())
    assert str(caught.value) == lines("""
        UnsupportedModel: tensor 'elsewhere' cannot be narrowed
          why:   the module holds it nowhere: neither registered nor as an attribute
          fix:   register it as a buffer
    """)


def headed(s: Any, x: Any) -> Any:
    """With a head that is there in training only."""
    y = torch.relu(s.a(x))
    return (s.b(y), s.aux(y)) if s.training else s.b(y)


def test_what_only_training_runs_is_left_and_named() -> None:
    layers = {"a": nn.Conv2d(3, 8, 1), "b": nn.Conv2d(8, 2, 1), "aux": nn.Conv2d(8, 2, 1)}
    found = own(Net(headed, **layers), IMAGE)
    assert found.remarks == (
        "left as they were: aux.weight and 1 more, which nothing reads in evaluation mode; what "
        "only training runs (auxiliary heads) need not fit what is narrower now: drop it, or keep "
        "the layers that it reads",
    )
    assert shapes(found.module)["aux.weight"] == (2, 8, 1, 1)
    assert own(Convs(), IMAGE).remarks == ()


def test_tied_parameters_are_read_under_all_their_names() -> None:
    net = tied()
    net.d = nn.Linear(5, 8)
    net.d.weight = net.a.weight
    assert unread(trace(net, (V,))) == ("d.bias",)
