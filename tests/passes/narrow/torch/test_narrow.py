"""The user's own module, narrower: same class, same names, same objects where it is in place."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.errors import UnsupportedModel  # noqa: E402
from tests.frontends.torch.modules import Net, lines, tensor  # noqa: E402
from tests.passes.narrow.torch.networks import (  # noqa: E402
    IMAGE,
    Convs,
    Heads,
    Plan,
    after,
    hard,
    own,
    shapes,
)

nn = torch.nn
V = tensor(2, 5)


def residual(s: Any, x: Any) -> Any:
    y = torch.relu(s.n(s.a(x)))
    return s.c(y + s.b(y))


def test_channels_of_a_residual_stream() -> None:
    net = Net(
        residual, a=nn.Conv2d(3, 6, 1), n=nn.BatchNorm2d(6), b=nn.Conv2d(6, 6, 1),
        c=nn.Conv2d(6, 2, 1),
    )  # fmt: skip
    found = own(net, IMAGE)
    assert after(found) == {
        "a.out_channels": 3, "n.num_features": 3, "b.in_channels": 3, "b.out_channels": 3,
        "c.in_channels": 3,
    }  # fmt: skip
    assert found.attributes["a.out_channels"] == (6, 3)
    assert repr(found.module.b) == "Conv2d(3, 3, kernel_size=(1, 1), stride=(1, 1))"


def test_the_original_is_left_as_it_was() -> None:
    net = Convs().eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    own(net, IMAGE)
    assert net.a.out_channels == 8
    for name, held in net.state_dict().items():
        torch.testing.assert_close(held, before[name], rtol=0, atol=0)


def test_the_result_trains_saves_and_loads() -> None:
    module = own(Convs(), IMAGE).module
    fresh = own(Convs(), IMAGE).module
    fresh.load_state_dict(module.state_dict())
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), fresh):
        torch.testing.assert_close(other(IMAGE), module(IMAGE))
    module.train()(IMAGE).sum().backward()
    assert {tuple(p.grad.shape) for p in module.a.parameters()} == {(4, 3, 3, 3), (4,)}
    assert torch.export.export(module.eval(), (IMAGE,)).state_dict.keys()


def test_attributes_of_the_modules_own() -> None:
    found = own(Heads(), tensor(2, 3, 5))
    changed = {name: new for name, new in after(found).items() if "." not in name}
    assert changed == {"width": 4, "inner": 8}
    assert found.module.scale == 8**-0.5


def test_sizes_in_a_list() -> None:
    def forward(s: Any, x: Any) -> Any:
        left, right = s.a(x).split(s.sizes, dim=-1)
        return s.b(torch.relu(left)) + s.c(right)

    parts = {"a": nn.Linear(5, 10), "b": nn.Linear(4, 3), "c": nn.Linear(6, 3)}
    found = own(Net(forward, sizes=[4, 6], **parts), V)
    assert found.module.sizes == [2, 3]
    assert found.attributes["sizes[1]"] == (6, 3)


def test_arithmetic_with_attributes() -> None:
    def forward(s: Any, x: Any) -> Any:
        y = s.a(x).view(-1, 2 * s.half // s.ways, s.ways)
        return s.b(y.sum(2)) + s.c(y[:, : s.half // 2].sum(2))

    parts = {"a": nn.Linear(5, 12), "b": nn.Linear(4, 3), "c": nn.Linear(3, 3)}
    found = own(Net(forward, half=6, ways=3, **parts), V)
    assert after(found) == {"half": 3, "a.out_features": 6, "b.in_features": 2, "c.in_features": 1}


def test_what_is_no_width_stays() -> None:
    """Kernel sizes, strides and lengths equal to a width are none."""

    def forward(s: Any, x: Any) -> Any:
        y = nn.functional.avg_pool2d(s.a(x), s.window, stride=s.window)
        for _ in range(s.rounds):
            y = s.b(y)
        return s.c(y)

    parts = {"a": nn.Conv2d(3, 4, 1), "b": nn.Conv2d(4, 4, 3, padding=1), "c": nn.Conv2d(4, 2, 1)}
    found = own(Net(forward, window=4, rounds=4, **parts), IMAGE)
    assert set(after(found)) == {
        "a.out_channels", "b.in_channels", "b.out_channels", "c.in_channels",
    }  # fmt: skip


def test_a_written_down_size_becomes_a_graph() -> None:
    net, plan = hard(), Plan(hard(), V)
    found = Plan(net, V).narrow()
    assert found.form == "graph"
    assert isinstance(found.module, torch.fx.GraphModule)
    assert found.module.state_dict().keys() == net.state_dict().keys()
    assert shapes(found.module)["a.weight"] == (4, 5)
    assert found.why[0].endswith("networks.py:103): it gives [1, 8], the plan wants [2, 4]")
    plan.proven()


def test_strict_refuses_and_says_where() -> None:
    with pytest.raises(UnsupportedModel) as caught:
        Plan(hard(), V).narrow(strict=True)
    file, _, line = str(caught.value.where).rpartition(":")
    assert (file.startswith("view ("), file.endswith("networks.py"), line) == (True, True, "103)")
    assert str(caught.value).replace(str(caught.value.where), "HERE") == lines("""
        UnsupportedModel: 'Net' cannot follow the plan as it is written
          where: HERE
          why:   it gives [1, 8], the plan wants [2, 4]
          fix:   derive sizes from tensors or attributes, exclude the layer with --keep, or take a GraphModule
    """)  # noqa: E501


def test_a_line_that_fails_is_named() -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.b(torch.relu(s.a(x)).reshape(2, 8))

    net = Net(forward, a=nn.Linear(5, 8), b=nn.Linear(8, 3)).eval()
    with pytest.raises(UnsupportedModel) as caught:
        Plan(net, V).narrow(strict=True)
    assert str(caught.value.where).endswith("return s.b(torch.relu(s.a(x)).reshape(2, 8))")
    assert caught.value.why == "RuntimeError: shape '[2, 8]' is invalid for input of size 8"


def test_attention_that_scales_by_what_it_finds() -> None:
    def forward(s: Any, x: Any) -> Any:
        q, k, v = s.qkv(x).chunk(3, dim=-1)
        return s.out(nn.functional.scaled_dot_product_attention(q, k, v))

    net = Net(forward, qkv=nn.Linear(5, 24), out=nn.Linear(8, 5)).eval()
    with pytest.raises(UnsupportedModel) as caught:
        Plan(net, tensor(2, 3, 5)).narrow(strict=True)
    assert caught.value.why == (
        "without an explicit scale it divides by the root of the head width, which is 4 now and "
        "was 8"
    )
    assert Plan(net, tensor(2, 3, 5)).proven().form == "graph"


def test_shuffled_channels_keep_the_class_only_where_the_order_is_one_of_its_own() -> None:
    net = Net(lambda s, x: s.b(s.m(s.a(x))), m=nn.ChannelShuffle(2), a=nn.Conv2d(3, 8, 1),
              b=nn.Conv2d(8, 2, 1))  # fmt: skip
    plan = Plan(net.eval(), IMAGE)
    plan.alive[:] = True
    plan.alive[plan.coupling.groups[0].units[0, :3]] = False
    assert plan.proven().form == "graph"
    plan.alive[:] = True
    plan.alive[plan.coupling.groups[0].units[0, [1, 3, 5, 7]]] = False
    assert plan.proven().form == "module"


def test_bfloat16_and_channels_last() -> None:
    net = Convs().eval().bfloat16().to(memory_format=torch.channels_last)
    image = IMAGE.bfloat16()
    found = Plan(net, image).narrow(strict=True)
    assert {p.dtype for p in found.module.parameters()} == {torch.bfloat16}
    assert found.module.a.weight.is_contiguous(memory_format=torch.channels_last)
    assert not found.module.a.weight.is_contiguous()
    assert found.module(image).shape == (2, 4, 8, 8)


def test_mode_requires_grad_and_hooks_stay() -> None:
    net, seen = Convs(), []
    net.a.weight.requires_grad_(False)
    net.n.eval()
    net.b.register_forward_hook(lambda *_: seen.append(True))
    module = Plan(net, IMAGE).narrow(strict=True).module
    assert [part.training for part in (module, module.a, module.n)] == [True, True, False]
    assert [module.a.weight.requires_grad, module.b.weight.requires_grad] == [False, True]
    seen.clear()
    module(IMAGE)
    assert seen == [True]


def test_dynamic_extents_stay_symbolic() -> None:
    from graphprune.frontends.torch import trace
    from graphprune.passes.couple import couple
    from graphprune.passes.narrow.torch import narrow_module
    from tests.frontends.torch import masking

    batch = torch.export.Dim("batch", min=1, max=8)
    traced = trace(Convs().eval(), (IMAGE,), dynamic_shapes={"x": {0: batch}})
    coupling = couple(traced.graph)
    found = narrow_module(traced, coupling, masking.draw(coupling), strict=True)
    assert found.module(tensor(5, 3, 8, 8)).shape == (5, 4, 8, 8)
    symbolic = next(n for n in found.traced.nodes if n.name == "relu").meta["val"].shape[0]
    assert isinstance(symbolic, torch.SymInt)


class TestInPlace:
    def test_every_object_is_the_one_it_was(self) -> None:
        net = Convs().eval()
        held = {name: (id(p), id(p.grad)) for name, p in net.named_parameters()}
        plan = Plan(net, IMAGE)
        wanted = plan.masked()
        found = plan.narrow(inplace=True)
        assert found.module is net
        assert {n: (id(p), id(p.grad)) for n, p in net.named_parameters()} == held
        torch.testing.assert_close(net(IMAGE), wanted)
        assert net.a.out_channels == 4

    def test_gradients_are_cut_too(self) -> None:
        net = Convs().eval()
        net(IMAGE).square().sum().backward()
        before, plan = net.a.weight.grad.clone(), Plan(net, IMAGE)
        plan.narrow(inplace=True)
        left = [i for i, unit in enumerate(plan.coupling.groups[0].units[0]) if plan.alive[unit]]
        torch.testing.assert_close(net.a.weight.grad, before[left])
        net.zero_grad(set_to_none=False)
        net(IMAGE).sum().backward()
        assert net.a.weight.grad.shape == (4, 3, 3, 3)

    def test_a_failure_leaves_the_module_as_it_was(self) -> None:
        net = hard()
        net(V).sum().backward()
        held = [(p, p.data_ptr(), p.grad, p.clone()) for p in net.parameters()]
        attributes = {k: dict(m.__dict__) for k, m in net.named_modules()}
        with pytest.raises(UnsupportedModel):
            Plan(net, V).narrow(inplace=True, strict=True)
        for parameter, place, gradient, contents in held:
            assert (parameter.data_ptr(), parameter.grad is gradient) == (place, True)
            torch.testing.assert_close(parameter, contents, rtol=0, atol=0)
        assert {k: dict(m.__dict__) for k, m in net.named_modules()} == attributes
        assert net(V).shape == (2,)

    def test_a_graph_module_leaves_it_too(self) -> None:
        net = hard()
        found = Plan(net, V).narrow(inplace=True)
        assert found.form == "graph"
        assert shapes(net)["a.weight"] == (8, 5)


def test_an_exported_program_has_no_class_to_keep() -> None:
    program = torch.export.export(Convs().eval(), (IMAGE,))
    plan = Plan(program)
    plan.inputs = (IMAGE,)
    assert plan.proven().why == ("an ExportedProgram has no module to narrow",)


def test_a_module_that_cannot_be_copied() -> None:
    class Single(Convs):
        def __deepcopy__(self, memo: Any) -> Any:
            raise RuntimeError("there is only one of it")

    with pytest.raises(UnsupportedModel) as caught:
        Plan(Single().eval(), IMAGE).narrow()
    assert str(caught.value) == lines("""
        UnsupportedModel: 'Single' cannot be copied
          why:   RuntimeError: there is only one of it
          fix:   narrow it in place
    """)
    assert type(Plan(Single().eval(), IMAGE).proven(inplace=True).module) is Single


def test_an_optimizer_follows() -> None:
    net = Convs().eval()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    net(IMAGE).square().sum().backward()
    optimizer.step()
    found = Plan(net, IMAGE).proven(optimizer=optimizer)
    state = found.optimizer.state[found.module.a.weight]
    assert state["exp_avg"].shape == (4, 3, 3, 3)
    assert optimizer.state[net.a.weight]["exp_avg"].shape == (8, 3, 3, 3)
    assert (found.optimizer is not optimizer, found.notes) == (True, ())
