"""Tensors cut and laid back."""

from __future__ import annotations

import numpy as np
import pytest

from graphprune.passes.narrow.cuts import Cut, take

torch = pytest.importorskip("torch")

from graphprune.passes.verify.torch.survivors import put_back, taken  # noqa: E402

PLAIN = Cut(1, (), np.array([[0, 2]]), ())
ROWS = Cut(2, (1,), np.array([[0, 3], [1, 2], [2, 3]]), (3,))
ROWS_BEHIND = Cut(0, (2,), np.array([[0], [1], [1], [0]]), (4,))
TWO_ROWS = Cut(1, (0, 2), np.array([[i % 3] for i in range(8)]), (2, 4))


@pytest.mark.parametrize(
    "wanted", [(), (PLAIN,), (ROWS,), (ROWS_BEHIND,), (TWO_ROWS,), (ROWS, PLAIN)]
)
def test_the_same_elements_as_in_numpy(wanted: tuple[Cut, ...]) -> None:
    array = np.arange(24.0).reshape(2, 3, 4)
    assert np.array_equal(taken(torch.from_numpy(array), wanted).numpy(), take(array, wanted))


@pytest.mark.parametrize(
    "wanted", [(), (PLAIN,), (ROWS,), (ROWS_BEHIND,), (TWO_ROWS,), (ROWS, PLAIN)]
)
def test_survivors_come_back_to_their_places_and_all_else_is_zero(wanted: tuple[Cut, ...]) -> None:
    whole = torch.arange(1.0, 25.0).reshape(2, 3, 4)
    small = taken(whole, wanted)
    back = put_back(small, wanted, (2, 3, 4))
    assert back.shape == whole.shape
    assert torch.equal(back[back != 0], whole[back != 0])
    assert torch.equal(taken(back, wanted), small)
    assert int((back != 0).sum()) == small.numel()


def test_axes_that_are_not_cut_may_have_other_extents() -> None:
    whole = torch.arange(1.0, 61.0).reshape(5, 3, 4)
    back = put_back(taken(whole, (PLAIN,)), (PLAIN,), (2, 3, 4))
    assert back.shape == whole.shape
