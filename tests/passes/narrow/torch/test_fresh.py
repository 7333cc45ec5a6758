"""Layers that changed draw their weights as when they were constructed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch import nn  # noqa: E402

from graphprune.copies import copies_of  # noqa: E402
from graphprune.frontends.torch import trace  # noqa: E402
from graphprune.passes.couple import couple  # noqa: E402
from graphprune.passes.narrow.torch import NarrowedModule, narrow_module  # noqa: E402
from graphprune.passes.narrow.torch.expected import Expected  # noqa: E402
from graphprune.passes.narrow.torch.fresh import initialise  # noqa: E402
from tests.frontends.torch.modules import Net, tensor  # noqa: E402


class Fresh:
    """A module with other widths, and what its layers drew."""

    def __init__(self, module: Any, *inputs: Any, times: float, **options: Any) -> None:
        traced = trace(module.eval(), inputs)
        coupling = couple(traced.graph)
        widths = {g.name: int(times * g.width) for g in coupling if g.rows == 1}
        copies = copies_of(coupling, widths)
        self.narrowed: NarrowedModule = narrow_module(traced, coupling, copies)
        self.before = {k: v.clone() for k, v in self.narrowed.module.state_dict().items()}
        self.notes = initialise(Expected(traced, coupling, copies), self.narrowed, **options)
        self.after = self.narrowed.module.state_dict()

    @property
    def changed(self) -> set[str]:
        return {k for k, v in self.after.items() if not torch.equal(v, self.before[k])}


def convs(wide: int = 16, **parts: Any) -> Any:
    return Net(
        lambda self, x: self.b(torch.relu(self.n(self.a(x)))).mean((2, 3)),
        a=nn.Conv2d(3, wide, 3),
        n=nn.BatchNorm2d(wide),
        b=nn.Conv2d(wide, 5, 3),
        **parts,
    )


IMAGE = tensor(2, 3, 8, 8)


@pytest.mark.parametrize("times", [0.5, 2.0])
def test_they_draw_what_a_new_layer_of_those_extents_draws(times: float) -> None:
    found = Fresh(convs(), IMAGE, times=times, seed=7)
    torch.manual_seed(7)
    a, n, b = (
        nn.Conv2d(3, int(16 * times), 3),
        nn.BatchNorm2d(int(16 * times)),
        nn.Conv2d(int(16 * times), 5, 3),
    )
    for name, layer in (("a", a), ("n", n), ("b", b)):
        for key, value in layer.state_dict().items():
            torch.testing.assert_close(found.after[f"{name}.{key}"], value, rtol=0, atol=0)
    assert found.notes == ()


def test_layers_that_keep_their_extents_keep_their_weights() -> None:
    module = Net(
        lambda self, x: self.c(self.b(torch.relu(self.a(x))).flatten(1)),
        a=nn.Conv2d(3, 8, 8),
        b=nn.Conv2d(8, 8, 1),
        c=nn.Linear(8, 4),
    )
    traced = trace(module.eval(), (IMAGE,))
    coupling = couple(traced.graph)
    copies = copies_of(coupling, {"g1": 12})
    narrowed = narrow_module(traced, coupling, copies)
    initialise(Expected(traced, coupling, copies), narrowed)
    assert torch.equal(narrowed.module.c.weight, module.c.weight)
    assert narrowed.module.b.weight.shape == (8, 12, 1, 1)


def test_the_running_statistics_begin_anew() -> None:
    module = convs()
    module.n.running_mean.fill_(3)
    module.n.num_batches_tracked.fill_(9)
    found = Fresh(module, IMAGE, times=2)
    assert not found.after["n.running_mean"].any()
    assert found.after["n.num_batches_tracked"] == 0


def test_the_generator_goes_on_as_if_nothing_was_drawn() -> None:
    torch.manual_seed(5)
    wanted = torch.randn(3)
    torch.manual_seed(5)
    Fresh(_seedless, IMAGE, times=2, seed=1)
    assert torch.equal(torch.randn(3), wanted)


_seedless = convs()


def test_recurrent_layers_and_attention_have_initialisers_of_their_own() -> None:
    module = Net(
        lambda self, x: self.c(self.n(self.r(self.e(x))[0])),
        e=nn.Linear(6, 8),
        r=nn.LSTM(8, 12, batch_first=True),
        n=nn.LayerNorm(12),
        c=nn.Linear(12, 3),
    )
    found = Fresh(module, tensor(2, 5, 6), times=2)
    bound = 24**-0.5  # of the hidden units that there are now
    assert found.after["r.weight_hh_l0"].shape == (96, 24)
    assert 0.9 * bound < found.after["r.weight_hh_l0"].abs().max() <= bound
    assert found.notes == ()


class Scaled(nn.Module):  # type: ignore[misc]
    """Has parameters that it made by hand."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.a = nn.Linear(6, width)
        self.gain = nn.Parameter(torch.full((width,), 0.1))
        self.shift = nn.Parameter(torch.arange(float(width)))
        self.b = nn.Linear(width, 4)

    def forward(self, x: Any) -> Any:
        return self.b(torch.relu(self.a(x)) * self.gain + self.shift)


def test_what_no_layer_draws_keeps_what_is_left_of_it() -> None:
    found = Fresh(Scaled(), tensor(2, 6), times=0.5)
    assert found.after["shift"].tolist() == [0, 1, 2, 3]
    assert found.notes == ("no layer draws gain, shift: what is left of them was kept",)


def test_new_entries_of_it_are_drawn_from_the_old_ones() -> None:
    found = Fresh(Scaled(), tensor(2, 6), times=2)
    assert torch.equal(found.after["gain"], torch.full((16,), 0.1))
    assert found.after["shift"][:8].tolist() == list(range(8))
    assert set(found.after["shift"][8:].tolist()) <= set(range(8))
    assert found.notes == ("no layer draws gain, shift: new entries are drawn from the old ones",)


class Drawing(Scaled):
    """Draws them itself."""

    def reset_parameters(self) -> None:
        nn.init.constant_(self.gain, 2.0)
        nn.init.normal_(self.shift)


def test_a_module_draws_the_parameters_that_it_made() -> None:
    found = Fresh(Drawing(), tensor(2, 6), times=2)
    assert torch.equal(found.after["gain"], torch.full((16,), 2.0))
    assert found.notes == ()


def test_a_parametrised_weight_is_drawn_by_nobody() -> None:
    module = Net(
        lambda self, x: self.b(torch.relu(self.a(x))), a=nn.Linear(6, 8), b=nn.Linear(8, 4)
    )
    torch.nn.utils.parametrizations.weight_norm(module.a)
    found = Fresh(module, tensor(2, 6), times=2)
    assert len(found.notes) == 1
    assert "a.parametrizations.weight.original0" in found.notes[0]
    assert all(torch.isfinite(v).all() for v in found.after.values())


def test_a_function_has_the_last_word() -> None:
    def init(layer: Any) -> None:
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 0.25)

    found = Fresh(convs(), IMAGE, times=2, init=init)
    assert (found.after["a.weight"] == 0.25).all()


class Spelled(nn.Module):  # type: ignore[misc]
    """Spells a width out in its code, so that it becomes a GraphModule."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 3, padding=1)
        self.n = nn.BatchNorm2d(8)
        self.c = nn.Linear(8 * 64, 10)

    def forward(self, x: Any) -> Any:
        return self.c(torch.relu(self.n(self.a(x))).view(-1, 8 * 64))


def test_a_graph_module_draws_what_the_layers_of_the_original_would_draw() -> None:
    module = Spelled()
    kept = {k: v.clone() for k, v in module.state_dict().items()}
    found = Fresh(module, IMAGE, times=2, seed=7)
    assert found.narrowed.form == "graph"
    torch.manual_seed(7)
    a, _, c = nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Linear(16 * 64, 10)
    for key, value in {"a.weight": a.weight, "c.weight": c.weight, "c.bias": c.bias}.items():
        torch.testing.assert_close(found.after[key], value.detach(), rtol=0, atol=0)
    assert all(torch.equal(v, kept[k]) for k, v in module.state_dict().items())


def test_rows_that_lost_channels_draw_too() -> None:
    module = Net(
        lambda self, x: self.c(self.b(torch.relu(self.a(x)))),
        a=nn.Conv2d(3, 8, 1),
        b=nn.Conv2d(8, 8, 1, groups=2),
        c=nn.Conv2d(8, 4, 1),
    )
    traced = trace(module.eval(), (IMAGE,))
    coupling = couple(traced.graph)
    widths = {g.name: max(1, g.width // 2) for g in coupling}
    copies = copies_of(coupling, widths)
    narrowed = narrow_module(traced, coupling, copies)
    before = narrowed.module.b.weight.detach().clone()
    assert initialise(Expected(traced, coupling, copies), narrowed) == ()
    assert not np.array_equal(before.numpy(), narrowed.module.b.weight.detach().numpy())
