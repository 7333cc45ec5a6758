"""A module that was rebuilt is proven, and one that was rebuilt wrongly is found out."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402

from graphprune.copies import copies_of  # noqa: E402
from graphprune.frontends.torch import Example, trace  # noqa: E402
from graphprune.passes.couple import couple  # noqa: E402
from graphprune.passes.narrow.torch import narrow_module  # noqa: E402
from graphprune.passes.verify.proof import Proof  # noqa: E402
from graphprune.passes.verify.torch import ModuleTrial  # noqa: E402
from graphprune.passes.verify.torch.rebuilt import verify_rebuilt  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402
from tests.pipelines.torch.test_pruning import draw  # noqa: E402

C, L = nn.Conv2d, nn.Linear
IMAGE = tensor(2, 3, 6, 6)


def convs() -> Any:
    torch.manual_seed(0)
    return draw(
        Net(
            lambda s, x: s.c(torch.relu(s.b(torch.relu(s.n(s.a(x)))))),
            a=C(3, 6, 3),
            n=nn.BatchNorm2d(6),
            b=C(6, 5, 1),
            c=C(5, 4, 1),
        )
    )


def proof(module: Any, *inputs: Any, spoil: str = "", asked: int = 0, **widths: int) -> Proof:
    traced = trace(module.eval(), inputs)
    coupling = couple(traced.graph)
    copies = copies_of(coupling, widths)
    narrowed = narrow_module(traced, coupling, copies)
    if spoil:
        with torch.no_grad():
            narrowed.module.get_parameter(spoil)[-1] += 1
    if asked:
        copies = copies_of(coupling, {**widths, "g1": asked})
    trial = ModuleTrial([Example(inputs)])
    return verify_rebuilt(traced, coupling, copies, narrowed, trial)


def test_one_layer_grows_and_another_shrinks() -> None:
    found = proof(convs(), IMAGE, g1=9, g2=3)
    assert found.ok
    assert found.masked is not None
    assert found.masked.worst < 1e-6


def test_channels_that_are_no_copies_are_found_out() -> None:
    found = proof(convs(), IMAGE, spoil="a.weight", g1=9)
    assert found.replay.ok
    assert not found.ok


def test_another_width_than_asked_is_found_out() -> None:
    found = proof(convs(), IMAGE, g1=9, asked=10)
    assert not found.ok
    assert "g1 has 9 channels, 10 were asked for" in found.replay.failures
    assert any(line.startswith("it costs Cost(params=") for line in found.replay.failures)


def test_statistics_over_new_channels_are_proven_on_labels_alone() -> None:
    module = Net(lambda s, x: s.b(s.n(s.a(x))), a=L(6, 5), n=nn.LayerNorm(5), b=L(5, 4))
    found = proof(module, IMAGE, g1=8)
    assert found.ok
    assert found.masked is None
    assert found.why_not_run == "statistics run over new channels too: g1"
    assert set(found.approximate) == {"g1"}
