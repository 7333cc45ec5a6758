"""Optimizers go on where they were, with what is left of their state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.passes.narrow.torch.optimizer import Pair, resized  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402
from tests.passes.narrow.torch.networks import IMAGE, Convs, Plan, hard  # noqa: E402

optim = torch.optim
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: optim.Adam(p, lr=0.1, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, lr=0.1, weight_decay=0.1),
    "nadam": lambda p: optim.NAdam(p, lr=0.1),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.1, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr=0.1),
    "adadelta": lambda p: optim.Adadelta(p),
    "asgd": lambda p: optim.ASGD(p),
    "rprop": lambda p: optim.Rprop(p),
}


def left(plan: Plan) -> list[int]:
    return [i for i, unit in enumerate(plan.coupling.groups[0].units[0]) if plan.alive[unit]]


def stepped(make: Callable[[Any], Any]) -> tuple[Any, Any]:
    """A network and an optimizer that has made two steps."""
    torch.manual_seed(0)
    net = Convs().eval()
    optimizer = make(net.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        net(IMAGE).square().sum().backward()
        optimizer.step()
    return net, optimizer


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS.keys())
def test_state_in_place(make: Callable[[Any], Any]) -> None:
    net, optimizer = stepped(make)
    plan = Plan(net, IMAGE)
    before = {k: v.clone() if isinstance(v, torch.Tensor) else v
              for k, v in optimizer.state[net.a.weight].items()}  # fmt: skip
    found = plan.narrow(inplace=True, strict=True, optimizer=optimizer)
    assert (found.optimizer is optimizer, found.notes) == (True, ())
    for key, now in optimizer.state[net.a.weight].items():
        whole = before[key]
        wanted = whole[left(plan)] if getattr(whole, "ndim", 0) == 4 else whole
        if isinstance(wanted, torch.Tensor):
            torch.testing.assert_close(now, wanted, rtol=0, atol=0)
        else:
            assert now == wanted
    optimizer.zero_grad()
    net(IMAGE).square().sum().backward()
    optimizer.step()


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_a_new_optimizer_steps_like_one_in_place(name: str) -> None:
    results = []
    for inplace in (True, False):
        net, optimizer = stepped(OPTIMIZERS[name])
        found = Plan(net, IMAGE).narrow(inplace=inplace, strict=True, optimizer=optimizer)
        assert type(found.optimizer) is type(optimizer)
        found.optimizer.zero_grad()
        found.module(IMAGE).square().sum().backward()
        found.optimizer.step()
        results.append(found.module)
    for one, other in zip(*(module.parameters() for module in results), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_options_of_every_group_stay_and_the_old_one_is_left_alone() -> None:
    net = Convs().eval()
    foreign = torch.nn.Parameter(tensor(3))
    groups = [{"params": net.a.parameters(), "lr": 0.5},
              {"params": [*net.b.parameters(), foreign], "weight_decay": 0.25}]  # fmt: skip
    optimizer = optim.AdamW(groups, lr=0.1)
    found = Plan(net, IMAGE).narrow(optimizer=optimizer)
    first, second = found.optimizer.param_groups
    assert (first["lr"], second["lr"], second["weight_decay"]) == (0.5, 0.1, 0.25)
    assert first["params"][0] is found.module.a.weight
    assert second["params"][-1] is foreign
    assert optimizer.param_groups[0]["params"][0] is net.a.weight
    found.optimizer.param_groups[0]["lr"] = 0.0
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_a_graph_module_has_one_too() -> None:
    net = hard()
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(tensor(2, 5)).sum().backward()
    optimizer.step()
    found = Plan(net, tensor(2, 5)).narrow(inplace=True, optimizer=optimizer)
    assert found.form == "graph"
    buffer = found.optimizer.state[found.module.get_parameter("a.weight")]["momentum_buffer"]
    assert buffer.shape == (4, 5)
    assert optimizer.state[net.a.weight]["momentum_buffer"].shape == (8, 5)


def test_tied_parameters_are_one() -> None:
    L = torch.nn.Linear
    net = Net(lambda s, x: s.c(torch.relu(s.a(x)) + s.b(x)), a=L(5, 8), b=L(5, 8), c=L(8, 3))
    net.b.weight = net.a.weight
    optimizer = optim.SGD(net.parameters(), lr=0.1)
    found = Plan(net.eval(), tensor(2, 5)).narrow(strict=True, optimizer=optimizer)
    assert len(found.optimizer.param_groups[0]["params"]) == 5
    assert any(p is found.module.b.weight for p in found.optimizer.param_groups[0]["params"])


def test_factored_moments() -> None:
    net, optimizer = stepped(lambda p: optim.Adafactor(p))
    plan, state = Plan(net, IMAGE), optimizer.state[net.a.weight]
    before = {key: value.clone() for key, value in state.items()}
    assert before["row_var"].shape == (8, 3, 3, 1)
    found = plan.narrow(inplace=True, strict=True, optimizer=optimizer)
    torch.testing.assert_close(state["row_var"], before["row_var"][left(plan)])
    assert found.notes == ()
    optimizer.step()


def pair(shape: tuple[int, ...], *cuts: Any) -> Pair:
    held = torch.nn.Parameter(torch.zeros(shape))
    return Pair("w", held, held, shape, cuts)


def test_a_moment_of_rows_or_columns() -> None:
    from tests.passes.narrow.torch.test_slicing import plain

    cut = pair((4, 6), plain(0, 1, 2), plain(1, 0, 5, 3))
    optimizer = optim.SGD([cut.after], lr=0.1)
    rows, columns = tensor(4), tensor(6)
    optimizer.state[cut.after].update(step=3, row=rows, col=columns, kept=rows[:, None])
    assert resized(optimizer, [cut]).notes == ()
    state = optimizer.state[cut.after]
    assert state["step"] == 3
    torch.testing.assert_close(state["row"], rows[[1, 2]])
    torch.testing.assert_close(state["col"], columns[[0, 5, 3]])
    torch.testing.assert_close(state["kept"], rows[[1, 2], None])


def test_state_that_cannot_be_told_begins_anew() -> None:
    from tests.passes.narrow.torch.test_slicing import plain

    cut = pair((4, 4), plain(0, 1, 2))
    optimizer = optim.SGD([cut.after], lr=0.1)
    optimizer.state[cut.after].update(step=3, row=tensor(4), history=[tensor(16)])
    assert resized(optimizer, [cut]).notes == (
        "state of 'w' begins anew: it is not clear how to cut row, history",
    )
    assert cut.after not in optimizer.state
