"""Views whose extents are replaced; what is symbolic stays symbolic."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from tests.frontends.torch.modules import tensor  # noqa: E402
from tests.passes.narrow.torch.rewrite.rewriting import calls, net  # noqa: E402

WORDS = tensor(2, 5, 8)


def between(function: Any, *inputs: Any, width: int = 12, dynamic: Any = None) -> Any:
    """A function of channels between two linear layers."""
    return net(
        lambda m, x: m.b(function(m.a(x))),
        *(inputs or (WORDS,)),
        dynamic=dynamic,
        a=nn.Linear(8, width),
        b=nn.Linear(width, 3),
    )


def test_a_literal_width_is_replaced_and_a_free_extent_stays() -> None:
    found = between(lambda x: x.view(-1, 12).relu().reshape(2, 5, 12))
    assert calls(found, "view", "reshape") == [
        "view(linear, [-1, 6])",
        "reshape(relu, [2, 5, 6])",
    ]


def test_heads_are_gone_or_narrower() -> None:
    found = between(lambda x: x.view(2, 5, 3, 4).transpose(1, 2).relu().transpose(1, 2).flatten(2))
    (view,) = calls(found, "view")
    assert view in ("view(linear, [2, 5, 3, 2])", "view(linear, [2, 5, 1, 4])")


def test_an_axis_is_taken_apart() -> None:
    found = between(lambda x: x.unflatten(-1, (1, 12)).relu().flatten(2))
    assert calls(found, "unflatten") == ["unflatten(linear, -1, [1, 6])"]


def test_a_dynamic_batch_stays_symbolic() -> None:
    found = between(
        lambda x: x.view(x.shape[0] * 5, 12).relu().view(x.shape[0], 5, 12),
        dynamic=(({0: torch.export.Dim("batch")},),),
    )
    assert calls(found, "view")[1] == "view(relu, [sym_size_int_1, 5, 6])"
    assert found(tensor(7, 5, 8)).shape == (7, 5, 3)


def test_a_symbolic_extent_that_shrinks_follows_from_the_rest() -> None:
    found = net(
        lambda m, x: m.b(
            m.a(x)
            .transpose(1, 2)
            .reshape(x.shape[0] * 12, 5)
            .relu()
            .view(-1, 12, 5)
            .transpose(1, 2)
        ),
        WORDS,
        dynamic=(({0: torch.export.Dim("batch")},),),
        a=nn.Linear(8, 12),
        b=nn.Linear(12, 3),
    )
    assert calls(found, "reshape") == ["reshape(transpose, [-1, 5])"]
    assert found(tensor(7, 5, 8)).shape == (7, 5, 3)


def test_an_axis_of_which_one_index_is_left_is_not_squeezed() -> None:
    found = between(lambda x: x.mean(1, keepdim=True).squeeze(), width=2)
    assert calls(found, "squeeze") == ["squeeze(mean, [1])"]
    found = between(lambda x: x.relu().squeeze(-1), width=2)
    assert calls(found, "squeeze") == ["squeeze(relu, [])"]


def test_what_is_expanded_follows() -> None:
    found = net(
        lambda m, x: m.b(m.a(x) + m.token.expand(2, -1, 12)),
        WORDS,
        a=nn.Linear(8, 12),
        b=nn.Linear(12, 3),
        token=nn.Parameter(tensor(1, 1, 12)),
    )
    assert calls(found, "expand") == ["expand(p_token, [2, -1, 6])"]


def test_repetitions_count_what_is_repeated() -> None:
    found = net(
        lambda m, x: m.b(m.a(x).repeat(1, 1, 2)),
        WORDS,
        a=nn.Linear(8, 12),
        b=nn.Linear(24, 3),
    )
    assert calls(found, "repeat") == ["repeat(linear, [1, 1, 2])"]


def test_an_identity_by_strides_stays_one() -> None:
    found = between(lambda x: x.as_strided((2, 5, 12), (60, 12, 1)).relu())
    assert calls(found, "as_strided", "alias") == ["alias(linear)"]
