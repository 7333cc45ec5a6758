"""Every way to write a batch is read as the same call of the module; others say what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.errors import BadData  # noqa: E402
from graphprune.frontends.torch import trace  # noqa: E402
from graphprune.frontends.torch.arguments import Arguments  # noqa: E402
from tests.frontends.torch.modules import tensor  # noqa: E402

X, K = tensor(5, 4), tensor(5, 4, seed=1)
Y = torch.tensor([0, 1, 2, 0, 1])


class Masked(torch.nn.Module):  # type: ignore[misc, name-defined]
    def forward(self, x: Any, mask: Any = None, scale: float = 1.0) -> Any:
        return x * scale if mask is None else x * mask * scale


class Nested(torch.nn.Module):  # type: ignore[misc, name-defined]
    def forward(self, parts: Any) -> Any:
        return parts["u"] + parts["v"][0]


def arguments(module: Any, *args: Any, **kwargs: Any) -> Arguments:
    return Arguments(trace(module.eval(), args, kwargs), torch.device("cpu"))


SMALL = (tensor(2, 4), tensor(2, 4, seed=1))
ONE = arguments(Masked(), SMALL[0])
TWO = arguments(Masked(), *SMALL)
KEYWORD = arguments(Masked(), SMALL[0], mask=SMALL[1])
NESTED = arguments(Nested(), {"u": SMALL[0], "v": [SMALL[1]]})
PROGRAM = Arguments(trace(torch.export.export(Masked(), (X, K), strict=False)), torch.device("cpu"))


@pytest.mark.parametrize(
    ("taken", "batch", "expected"),
    [
        (ONE, X, [X]),
        (ONE, X.numpy(), [X]),
        (ONE, X.double(), [X]),
        (ONE, (X,), [X]),
        (ONE, [X], [X]),
        (ONE, (X, Y), [X]),
        (ONE, [X, Y], [X]),
        (ONE, ((X,), Y), [X]),
        (ONE, {"x": X}, [X]),
        (ONE, {"x": X, "labels": Y}, [X]),
        (ONE, ({"x": X}, Y), [X]),
        (ONE, {"x": X, "mask": None, "scale": 1.0}, [X]),
        (TWO, (X, K), [X, K]),
        (TWO, (X, K, Y), [X, K]),
        (TWO, ((X, K), Y), [X, K]),
        (TWO, {"mask": K, "x": X, "targets": Y}, [X, K]),
        (KEYWORD, (X, K), [X, K]),
        (KEYWORD, (X, K, Y), [X, K]),
        (KEYWORD, {"mask": K, "x": X}, [X, K]),
        (NESTED, {"v": [K], "u": X}, [X, K]),
        (NESTED, {"parts": {"u": X, "v": (K,)}}, [X, K]),
        (NESTED, ({"u": X, "v": (K,)}, Y), [X, K]),
        (PROGRAM, {"mask": K, "x": X}, [X, K]),
        (PROGRAM, (X, K, Y), [X, K]),
    ],
)
def test_a_batch_is_read_as_a_call(taken: Arguments, batch: Any, expected: list[Any]) -> None:
    (args, kwargs), targets = taken.split(batch, False, "batch 1")
    leaves = taken.leaves(args, kwargs, "batch 1")
    assert len(leaves) == len(expected)
    for leaf, own in zip(leaves, expected, strict=True):
        assert leaf.dtype == torch.float32
        assert torch.equal(leaf, own)
        assert leaf.data_ptr() != own.data_ptr()
    assert targets is None or targets is Y


@pytest.mark.parametrize(
    ("taken", "batch"),
    [
        (ONE, (X, Y)),
        (ONE, ((X,), Y)),
        (ONE, ({"x": X}, Y)),
        (ONE, {"x": X, "label": Y}),
        (TWO, (X, K, Y)),
        (TWO, [[X, K], Y]),
        (KEYWORD, {"x": X, "mask": K, "target": Y}),
        (NESTED, ({"u": X, "v": (K,)}, Y)),
    ],
)
def test_targets_are_told_from_inputs(taken: Arguments, batch: Any) -> None:
    (args, kwargs), targets = taken.split(batch, True, "batch 1")
    assert targets is Y
    taken.leaves(args, kwargs, "batch 1")


@pytest.mark.parametrize(
    ("taken", "batch"), [(ONE, X), (ONE, {"x": X}), (TWO, (X, K)), (ONE, (X, Y, Y, Y))]
)
def test_a_batch_without_targets_cannot_be_split(taken: Arguments, batch: Any) -> None:
    with pytest.raises(BadData, match="a batch cannot be split into inputs and targets"):
        taken.split(batch, True, "batch 1")


BAD: dict[str, tuple[Arguments, Any, str]] = {
    "another keyword": (ONE, {"z": X}, "why:   missing: 'x'; not traced: 'z'"),
    "an input less": (TWO, {"x": X}, "why:   missing: 'mask'\n  fix:   give 'x', 'mask'"),
    "an input more": (
        ONE,
        {"x": X, "mask": K},
        "why:   not traced: 'mask'\n"
        "  fix:   give 'x', or trace the module with what the batches hold",
    ),
    "another constant": (ONE, {"x": X, "scale": 2.0}, "why:   not traced: 'scale'"),
    "too many": (
        ONE,
        (X, Y, K, K),
        "BadData: a batch does not fit the module\n"
        "  where: batch 1\n"
        "  why:   it is a tuple of 4; the module takes 'x'\n"
        "  fix:   give a tensor, a tuple of positional inputs or a dict of inputs by keyword",
    ),
    "text": (ONE, {"x": "a"}, "why:   it is of type 'str', not a tensor"),
    "integers": (ONE, X.long(), "why:   its elements are int64, expected float32"),
    "another rank": (ONE, X[None], "why:   it has shape (1, 5, 4), expected 2 axes"),
    "another width": (
        ONE,
        tensor(5, 3),
        "why:   axis 1 has size 3, but the program is static: it takes 4",
    ),
    "two batch sizes": (TWO, (X, K[:2]), "why:   axis 0 has size 2, where another input has 5"),
    "another structure": (NESTED, {"parts": {"u": X, "v": [K, K]}}, "not a tuple of 1"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_batch_that_does_not_fit_says_why(name: str) -> None:
    taken, batch, text = BAD[name]
    with pytest.raises(BadData) as caught:
        (args, kwargs), _ = taken.split(batch, False, "batch 1")
        taken.leaves(args, kwargs, "batch 1")
    assert text in str(caught.value)
    assert caught.value.where == "batch 1"


def test_a_static_program_takes_batches_of_one_size() -> None:
    for how in ({"dynamic_shapes": None}, {}):
        module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Unflatten(0, (2, 1))).eval()
        taken = Arguments(trace(module, (SMALL[0],), **how), torch.device("cpu"))
        assert len(taken.leaves((SMALL[0],), {}, "batch 1")) == 1
        with pytest.raises(BadData, match="input 'input' does not fit the module") as caught:
            taken.leaves((X,), {}, "batch 2")
        assert "axis 0 has size 5, but the program is static: it takes 2" in str(caught.value.why)
        assert caught.value.fix == "give batches of 2, and drop a smaller last one (drop_last=True)"


def test_integers_keep_the_traced_type() -> None:
    taken = arguments(torch.nn.Embedding(9, 2), torch.zeros(2, 3, dtype=torch.int64))
    (leaf,) = taken.leaves((np.ones((4, 3), dtype=np.int32),), {}, "batch 1")
    assert leaf.dtype == torch.int64
