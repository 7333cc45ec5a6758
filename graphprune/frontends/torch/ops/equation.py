"""Einsum equations: ellipses spelled out, many operands taken two at a time."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters

from graphprune.frontends.torch.builder import Builder
from graphprune.frontends.torch.rules import UnsupportedForm


def operand_words(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The index letters of every operand and of the result.

    Args:
        equation: As PyTorch's einsum takes it; without ``->`` the letters that occur once, in
            alphabetical order.
        ranks: Of the operands.

    Raises:
        UnsupportedForm: A letter is repeated within an operand.
    """
    left, arrow, out = equation.replace(" ", "").partition("->")
    words = left.split(",")
    free = [c for c in ascii_letters if c not in equation]
    widest = max(
        (r - len(w.replace("...", "")) for w, r in zip(words, ranks, strict=True) if "..." in w),
        default=0,
    )
    spread = "".join(free[:widest])
    if not arrow:
        letters = left.replace(",", "").replace(".", "")
        out = "..." * ("..." in left) + "".join(
            sorted(c for c in set(letters) if letters.count(c) == 1)
        )
    for i, (word, rank) in enumerate(zip(words, ranks, strict=True)):
        extra = rank - len(word.replace("...", ""))
        words[i] = word.replace("...", spread[len(spread) - extra :])
    out = out.replace("...", spread)
    if any(len(set(word)) != len(word) for word in (*words, out)):
        raise UnsupportedForm("a repeated index")
    return words, out


def contract_all(builder: Builder, operands: Sequence[str], words: Sequence[str], out: str) -> str:
    """The einsum of any number of operands.

    Raises:
        UnsupportedForm: It has none.
    """
    if not operands:
        raise UnsupportedForm("an einsum of nothing")
    name, word = operands[0], words[0]
    if len(operands) == 1:
        return _alone(builder, name, word, out)
    for i in range(1, len(operands)):
        later = set("".join(words[i + 1 :])) | set(out)
        kept = [c for c in dict.fromkeys(word + words[i]) if c in later]
        target = out if i == len(operands) - 1 else "".join(kept)
        equation = f"{word},{words[i]}->{target}"
        name, word = builder.emit("contract", [name, operands[i]], equation=equation), target
    return name


def _alone(builder: Builder, name: str, word: str, out: str) -> str:
    """One operand: sums and a transposition."""
    summed = tuple(i for i, c in enumerate(word) if c not in out)
    if summed:
        name = builder.emit("reduce.sum", [name], axes=summed, keepdims=False)
        word = "".join(c for c in word if c in out)
    return builder.emit("transpose", [name], perm=tuple(word.index(c) for c in out))
