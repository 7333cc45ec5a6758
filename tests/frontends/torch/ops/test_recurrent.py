"""Recurrent networks: gates of a hidden unit live and die together, rows lose equally many."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from tests.frontends.torch.modules import (  # noqa: E402
    lines,
    lowered,
    proven,
    tensor,
)

L = torch.nn.Linear
STEPS = tensor(5, 2, 4)
ONE_LAYER = (
    "g1[6] r.weight_ih_l0.0 r.weight_hh_l0.0 r.weight_hh_l0.1 r.bias_ih_l0.0 r.bias_hh_l0.0 "
    "o.weight.1"
)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("batch_first", [True, False])
def test_one_layer(kind: str, batch_first: bool) -> None:
    cell = getattr(torch.nn, kind)(4, 6, batch_first=batch_first)
    assert proven(lambda s, x: s.o(s.r(x)[0]), STEPS, r=cell, o=L(6, 3)) == ONE_LAYER


def test_without_biases() -> None:
    groups = proven(lambda s, x: s.o(s.r(x)[0]), STEPS, r=torch.nn.GRU(4, 6, bias=False), o=L(6, 3))
    assert groups == "g1[6] r.weight_ih_l0.0 r.weight_hh_l0.0 r.weight_hh_l0.1 o.weight.1"


def test_layers_and_directions_lose_equally_many() -> None:
    cell = torch.nn.LSTM(4, 6, 2, bidirectional=True)
    groups = proven(lambda s, x: s.o(s.r(x)[0]), STEPS, r=cell, o=L(12, 3))
    assert groups.startswith("g1[4x6] ")
    assert {"r.weight_hh_l1_reverse.1", "r.weight_ih_l1.1", "o.weight.1"} <= set(groups.split())
    assert len(groups.splitlines()) == 1


def test_the_last_state_is_read() -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.o(s.r(x)[1][-1])

    groups = proven(forward, STEPS, r=torch.nn.GRU(4, 6, 2), o=L(6, 3))
    assert groups.startswith("g1[2x6] ")
    assert groups.endswith(" o.weight.1")


def test_projections_have_a_width_of_their_own() -> None:
    groups = proven(
        lambda s, x: s.o(s.r(x)[0]), STEPS, r=torch.nn.LSTM(4, 6, proj_size=3), o=L(3, 2)
    )
    assert groups == lines("""
        g1[3] r.weight_hh_l0.1 r.weight_hr_l0.0 o.weight.1
        g2[6] r.weight_ih_l0.0 r.weight_hh_l0.0 r.bias_ih_l0.0 r.bias_hh_l0.0 r.weight_hr_l0.1
    """)


def test_a_decoder_starts_from_the_encoders_state() -> None:
    def forward(s: Any, x: Any) -> Any:
        return s.o(s.d(x, s.e(x)[1])[0])

    parts = {"e": torch.nn.LSTM(4, 6, 2), "d": torch.nn.LSTM(4, 6, 2), "o": L(6, 3)}
    groups = proven(forward, STEPS, **parts)
    assert groups.startswith("g1[2x6] e.weight_ih_l0.0")
    assert "d.weight_hh_l1.1" in groups.split()


def test_states_given_from_outside_freeze() -> None:
    groups = proven(
        lambda s, x, h: s.o(s.r(x, h)[0]), STEPS, tensor(1, 2, 6), r=torch.nn.GRU(4, 6), o=L(6, 3)
    )
    assert groups == ""


def test_zeros_follow_the_hidden_size() -> None:
    from graphprune.passes.couple import couple

    traced = lowered(lambda s, x: s.o(s.r(x)[0]), STEPS, r=torch.nn.LSTM(4, 6, 2), o=L(6, 3))
    coupling = couple(traced.graph)
    alive = coupling.everything()
    alive[coupling.groups[0].units[:, 4:]] = False
    assert coupling.shape("zeros", alive) == (2, 2, 4)


def test_cells_in_a_loop() -> None:
    def forward(s: Any, x: Any) -> Any:
        h, c = x.new_zeros(2, 6), torch.zeros(2, 6)
        for step in range(3):
            h, c = s.r(x[step], (h, c))
        return s.o(h)

    groups = proven(forward, STEPS, r=torch.nn.LSTMCell(4, 6), o=L(6, 3))
    assert groups == (
        "g1[6] r.bias_ih.0 r.bias_hh.0 r.weight_ih.0 r.weight_hh.0 r.weight_hh.1 o.weight.1"
    )
