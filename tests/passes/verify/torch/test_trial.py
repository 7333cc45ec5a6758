"""What modules are run on, and how they are left."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from graphprune.errors import BackendError  # noqa: E402
from graphprune.frontends.torch import Example  # noqa: E402
from graphprune.passes.verify.torch.trial import ModuleTrial, run  # noqa: E402
from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.passes.verify.torch.proving import chain, net  # noqa: E402


def test_floats_are_drawn_and_all_else_is_the_examples() -> None:
    ids, mask = torch.tensor([3, 1]), torch.tensor([True, False])
    example = Example((tensor(2, 3), ids), {"more": [mask, tensor(2).half(), None, 7]})
    first, second = ModuleTrial(runs=2, seed=1).inputs(example)
    assert first.args[0].shape == (2, 3)
    assert not torch.equal(first.args[0], example.args[0])
    assert not torch.equal(first.args[0], second.args[0])
    assert torch.equal(first.args[1], ids)
    assert first.kwargs["more"][1].dtype is torch.float16
    assert (first.kwargs["more"][0], *first.kwargs["more"][2:]) == (mask, None, 7)


def test_given_inputs_come_first_and_seeds_count_up() -> None:
    example, given = Example((tensor(2, 3),)), Example((torch.ones(2, 3),))
    feeds = ModuleTrial([given], runs=2, seed=5).inputs(example)
    assert len(feeds) == 3
    assert torch.equal(feeds[0].args[0], given.args[0])
    (again,) = ModuleTrial(runs=1, seed=6).inputs(example)
    assert torch.equal(again.args[0], feeds[2].args[0])


def test_modes_buffers_and_inputs_are_as_they_were() -> None:
    def forward(m: Any, x: Any) -> Any:
        m.norm.num_batches_tracked += 1
        return {"y": [m.drop(m.norm(x.mul_(2)))], "n": 3}

    module = net(forward, norm=torch.nn.BatchNorm1d(3), drop=torch.nn.Dropout(0.5))
    module.train()
    module.norm.eval()
    x = torch.ones(2, 3)
    (y,) = run(module, Example((x,)))
    torch.testing.assert_close(y, torch.full((2, 3), 2.0), rtol=1e-4, atol=0)
    assert (module.training, module.drop.training, module.norm.training) == (True, True, False)
    assert module.norm.num_batches_tracked == 0
    assert torch.equal(x, torch.ones(2, 3))
    assert not y.requires_grad


def test_a_module_that_fails() -> None:
    module = chain(torch.nn.ReLU())
    module.train()
    with pytest.raises(BackendError, match="the module 'Sequential' cannot be run") as caught:
        run(module, Example((torch.ones(1, 5, 4, 4),)))
    assert "expected input" in str(caught.value.why)
    assert module.training
