"""Einsum equations are spelled out the way PyTorch reads them."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

from graphprune.frontends.torch.ops.equation import operand_words
from graphprune.frontends.torch.rules import UnsupportedForm


@pytest.mark.parametrize(
    ("equation", "ranks", "words", "out"),
    [
        ("b i, o i -> b o", [2, 2], ["bi", "oi"], "bo"),
        ("ij,jk", [2, 2], ["ij", "jk"], "ik"),
        ("ba", [2], ["ba"], "ab"),
        ("...i,...i->...", [3, 2], ["abi", "bi"], "ab"),
        ("...i,io", [3, 2], ["abi", "io"], "abo"),
        ("B H I D, B H J D -> B H I J", [4, 4], ["BHID", "BHJD"], "BHIJ"),
    ],
)
def test_words(equation: str, ranks: list[int], words: list[str], out: str) -> None:
    assert operand_words(equation, ranks) == (words, out)


def test_a_repeated_letter_is_refused() -> None:
    with pytest.raises(UnsupportedForm, match="a repeated index"):
        operand_words("ii->i", [2])
