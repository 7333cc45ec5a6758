"""Traced programs run operator by operator."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from graphprune.frontends.torch import Example, trace  # noqa: E402
from graphprune.passes.verify.torch.execution import Execution  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402
from tests.passes.verify.torch.proving import chain, net  # noqa: E402


def test_the_outputs_of_the_module() -> None:
    module = chain(torch.nn.BatchNorm2d(8))
    x = tensor(2, 3, 6, 6)
    (y,) = Execution(trace(module, (x,))).outputs(Example((x,)))
    assert torch.equal(y, module(x))


def test_inputs_and_outputs_of_any_structure() -> None:
    class Dicts(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any, *, second: Any, scale: int, none: Any = None) -> Any:
            return {"sum": x + second["y"] * scale, "none": none, "number": 3, "x": [x * 2]}

    x, y = tensor(2), tensor(2, seed=1)
    keywords = {"second": {"y": y}, "scale": 2, "none": None}
    traced = trace(Dicts(), (x,), keywords)
    other = Example((x,), dict(reversed(keywords.items())))
    total, double = Execution(traced).outputs(other)
    assert torch.equal(total, x + 2 * y)
    assert torch.equal(double, 2 * x)


def test_what_was_traced_in_training_runs_as_in_evaluation() -> None:
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 1), torch.nn.BatchNorm2d(4), torch.nn.Dropout(0.5),
        torch.nn.InstanceNorm2d(4, track_running_stats=True),
        torch.nn.BatchNorm2d(4, track_running_stats=False),
    )  # fmt: skip
    x = tensor(2, 3, 4, 4)
    traced = trace(module.train(), (x,))
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    (y,) = Execution(traced).outputs(Example((x,)))
    assert all(torch.equal(buffer, before[name]) for name, buffer in module.named_buffers())
    torch.testing.assert_close(y, module.eval()(x))


def test_dropout_that_is_always_on_stays_on() -> None:
    x = torch.ones(1, 50)
    traced = trace(net(lambda m, x: torch.nn.functional.dropout(x, 0.5, True)), (x,))
    (y,) = Execution(traced).outputs(Example((x,)))
    assert 0 < int((y == 0).sum()) < 50


def test_buffers_and_inputs_are_not_written_to() -> None:
    def count(m: Any, x: Any) -> Any:
        m.seen.add_(1)
        return x.mul_(2) + m.seen

    module = Net(count)
    module.register_buffer("seen", torch.zeros(1))
    x = torch.ones(2)
    execution = Execution(trace(module.eval(), (x.clone(),)))
    assert [execution.outputs(Example((x,)))[0].tolist() for _ in range(2)] == [[3, 3], [3, 3]]
    assert (module.seen.item(), x.tolist()) == (0, [1, 1])


def test_regions_are_run_in_their_own_mode() -> None:
    def half(m: Any, x: Any) -> Any:
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            return m.a(x)

    module, x = net(half, a=torch.nn.Linear(3, 3)), tensor(2, 3)
    (y,) = Execution(trace(module, (x,))).outputs(Example((x,)))
    assert y.dtype is torch.bfloat16
    assert torch.equal(y, module(x))


def test_in_float64_even_where_float32_is_asked_for() -> None:
    def asks(m: Any, x: Any) -> Any:
        return m.a(x.to(torch.float32)) + torch.ones(3, dtype=torch.float32)

    module, x = net(asks, a=torch.nn.Linear(3, 3)), tensor(2, 3)
    (y,) = Execution(trace(module, (x,)), double=True).outputs(Example((x,)))
    wide = torch.nn.functional.linear(x.double(), module.a.weight.double(), module.a.bias.double())
    torch.testing.assert_close(y, wide + 1, rtol=1e-12, atol=1e-12)


def test_parameters_may_hold_something_else() -> None:
    module, x = net(lambda m, x: m.a(x), a=torch.nn.Linear(3, 2)), tensor(1, 3)
    traced = trace(module, (x,))

    def zeroed(name: str, held: Any) -> Any:
        return held * (name != "a.weight")

    (y,) = Execution(traced, contents=zeroed).outputs(Example((x,)))
    assert torch.equal(y[0], module.a.bias)
