"""Taking from tensors is what NumPy does, with the tensor's own type and order of memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.passes.narrow import take as of_array  # noqa: E402
from graphprune.passes.narrow.cuts import Cut  # noqa: E402
from graphprune.passes.narrow.torch.slicing import take  # noqa: E402
from tests.frontends.torch.modules import tensor  # noqa: E402


def plain(axis: int, *kept: int) -> Cut:
    return Cut(axis, (), np.array([kept]), ())


def rows(axis: int, by: int, kept: list[list[int]]) -> Cut:
    return Cut(axis, (by,), np.array(kept), (len(kept),))


CASES: dict[str, tuple[Cut, ...]] = {
    "nothing": (),
    "one axis": (plain(0, 1, 3),),
    "two axes": (plain(0, 0, 2, 3), plain(2, 1)),
    "one axis that grows": (plain(1, 0, 2, 2, 2), plain(0, 1, 2, 3, 3)),
    "rows": (rows(2, 0, [[0, 1], [1, 2], [0, 4], [3, 4]]),),
    "rows of an axis that loses too": (rows(1, 0, [[0], [1], [0], [2]]), plain(0, 1, 2)),
    "rows by a later axis": (rows(0, 2, [[0, 1], [1, 2], [0, 3], [2, 3], [1, 3]]),),
}


@pytest.mark.parametrize("wanted", CASES.values(), ids=CASES.keys())
def test_as_numpy_takes(wanted: tuple[Cut, ...]) -> None:
    whole = tensor(4, 3, 5)
    np.testing.assert_array_equal(take(whole, wanted).numpy(), of_array(whole.numpy(), wanted))


@pytest.mark.parametrize(
    "dtype", ["bfloat16", "float16", "float64", "int64", "bool", "complex64", "float8_e4m3fn"]
)
def test_any_element_type(dtype: str) -> None:
    whole = (tensor(4, 3) * 4).to(getattr(torch, dtype))
    found = take(whole, CASES["one axis"])
    assert found.dtype == whole.dtype
    assert (
        found.float().tolist() == whole.float()[[1, 3]].tolist()
        if dtype != "complex64"
        else (found.tolist() == whole[[1, 3]].tolist())
    )


def test_the_order_of_memory_stays() -> None:
    image = tensor(4, 3, 5, 5).to(memory_format=torch.channels_last)
    found = take(image, (plain(1, 0, 2),))
    assert found.is_contiguous(memory_format=torch.channels_last)
    turned = take(tensor(4, 6).t(), (plain(0, 1, 2, 5),))
    assert (turned.shape, turned.stride()) == ((3, 4), (1, 3))


def test_the_whole_is_only_read() -> None:
    whole = tensor(4, 3).requires_grad_()
    before = whole.clone()
    found = take(whole, (plain(0, 1),))
    found.zero_()
    assert (torch.equal(whole, before), found.requires_grad) == (True, False)


def test_tensors_without_storage() -> None:
    found: Any = take(torch.empty(4, 3, device="meta"), (plain(0, 1),))
    assert (found.is_meta, found.shape) == (True, (1, 3))
